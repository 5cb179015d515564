//! What the log says of a camera that comes and goes: each cause once until the camera has
//! worked for a while, or a bad contact would fill the journal.

use crate::alarm::Alarm;
use crate::name::Name;

/// How many openings, how many causes, and how many notes, are told before the camera has worked for a
/// while.
const MOST: usize = 4;

/// Remembers what was told.
pub(super) struct CameraLog {
    camera: Name,
    told: Vec<String>,
    noted: Vec<String>,
    openings: usize,
}

impl CameraLog {
    pub(super) fn new(camera: Name) -> Self {
        Self { camera, told: Vec::new(), noted: Vec::new(), openings: 0 }
    }

    /// It was opened. `words` say what it is. Whether that was told.
    pub(super) fn opened(&mut self, words: &str) -> bool {
        self.openings += 1;
        let tell = self.openings <= MOST;
        if tell {
            log::info!(camera:% = self.camera; "camera opened: {words}");
        }
        tell
    }

    /// What its owner should know of an opening. How many of these were told.
    pub(super) fn noted(&mut self, notes: &[String]) -> usize {
        let before = self.noted.len();
        for note in notes {
            if self.noted.len() < MOST && !self.noted.contains(note) {
                log::warn!(camera:% = self.camera; "{note}");
                self.noted.push(note.clone());
            }
        }
        self.noted.len() - before
    }

    /// It was lost or could not be opened, for this `reason`. Whether that was told.
    pub(super) fn lost(&mut self, reason: &str) -> bool {
        let tell = self.told.len() < MOST && !self.told.iter().any(|told| told == reason);
        if tell {
            log::error!(message_id = Alarm::CameraLost.id(), camera:% = self.camera;
                "camera lost: {reason}; trying again");
            self.told.push(reason.to_owned());
        }
        tell
    }

    /// It has worked for a while: from now on everything is new.
    pub(super) fn works(&mut self, words: &str) {
        if self.openings > MOST {
            log::info!(camera:% = self.camera; "camera works again: {words}");
        }
        self.openings = 0;
        self.told.clear();
        self.noted.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_contact_is_told_a_few_times_until_the_camera_has_worked() {
        let mut log = CameraLog::new(Name::camera("door").expect("valid"));
        let reasons = ["unplugged", "not there"];
        let told = |log: &mut CameraLog| {
            let cycles = (0..100).map(|_| {
                usize::from(log.opened("it"))
                    + reasons.iter().filter(|reason| log.lost(reason)).count()
            });
            cycles.sum::<usize>()
        };
        assert_eq!(told(&mut log), MOST + reasons.len());
        // What is to know of it takes no place of the reasons, nor they of it.
        let notes = ["no controls".to_owned(), "another size".to_owned()];
        let noted = |log: &mut CameraLog| (0..100).map(|_| log.noted(&notes)).sum::<usize>();
        assert_eq!(noted(&mut log), notes.len());
        log.works("it");
        assert_eq!(noted(&mut log), notes.len());
        assert_eq!(told(&mut log), MOST + reasons.len());
        assert!((0..100).filter(|number| log.lost(&format!("frame {number}"))).count() <= MOST);
    }
}

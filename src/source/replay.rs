//! Recorded pictures: a folder, a single picture, a Motion-JPEG file. Played at the
//! set rate, once or for ever.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::frame_source::{FrameSource, SourceError};
use super::motion_jpeg::MotionJpeg;
use super::settings::Settings;
use super::{media, picture};
use crate::clock::Clock;
use crate::pixels::frame::{Frame, Orientation};

/// What is played.
#[derive(Debug)]
enum Recording {
    Files(Vec<PathBuf>),
    MotionJpeg(MotionJpeg),
}

/// A source that plays recorded pictures.
pub(super) struct Replay {
    recording: Recording,
    name: String,
    fps: u32,
    repeat: bool,
    turn: Orientation,
    clock: Arc<dyn Clock>,
    next: usize,
    /// How many pictures were shown, since the opening.
    shown: u64,
    /// When the next picture is due, on the monotonic clock.
    due: Option<Duration>,
    /// When what it shows happened: at the recording's rate from the first one on.
    time: Duration,
    /// Whether any picture of this round could be read, and why the last one could not.
    any_good: bool,
    failure: String,
    notes: Vec<String>,
}

/// Bytes that tell what a file is.
const HEAD: u64 = 64;

impl Replay {
    /// `path` is a folder (its pictures in order of name) or a file. While a long one is looked
    /// through, `wanted` is asked whether to go on.
    ///
    /// # Errors
    ///
    /// It cannot be read, or there is no picture in it; names what is there instead.
    pub(super) fn open(
        path: &Path,
        settings: &Settings,
        clock: Arc<dyn Clock>,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Self, SourceError> {
        let lost = |reason: &dyn std::fmt::Display| {
            SourceError::Lost(format!("{}: {reason}", path.display()))
        };
        let none = "no pictures in it (JPEG or PNG, or a .mjpeg file)";
        let mut notes = Vec::new();
        let recording = if path.is_dir() {
            let (files, others) = pictures_in(path).map_err(|error| lost(&error))?;
            match others.first() {
                Some(other) if files.is_empty() => return Err(lost(&format!("{none}; {other}"))),
                Some(other) => notes.push(format!(
                    "{}: {} of its files are left out; the first, {other}",
                    path.display(),
                    others.len()
                )),
                None => {}
            }
            Recording::Files(files)
        } else if media::is_motion_jpeg(path) {
            let opened = MotionJpeg::open(path, wanted);
            let why = |error: std::io::Error| error.downcast().unwrap_or_else(|error| lost(&error));
            Recording::MotionJpeg(opened.map_err(why)?)
        } else {
            let mut head = Vec::new();
            let file = std::fs::File::open(path).map_err(|error| lost(&error))?;
            file.take(HEAD).read_to_end(&mut head).map_err(|error| lost(&error))?;
            if let Some(medium) = media::by_content(&head) {
                return Err(lost(&format!("it is {medium}")));
            }
            Recording::Files(vec![path.to_owned()])
        };
        let replay = Self {
            recording,
            name: path.display().to_string(),
            fps: settings.fps,
            repeat: settings.repeat,
            turn: settings.orientation(),
            clock,
            next: 0,
            shown: 0,
            due: None,
            time: Duration::ZERO,
            any_good: false,
            failure: String::new(),
            notes,
        };
        if replay.len() == 0 { Err(lost(&none)) } else { Ok(replay) }
    }

    fn len(&self) -> usize {
        match &self.recording {
            Recording::Files(files) => files.len(),
            Recording::MotionJpeg(film) => film.len(),
        }
    }

    /// Waits until the next picture's time. Late pictures are not hurried: recorded
    /// pictures are each looked at.
    fn wait(&mut self) {
        let (now, interval) = (self.clock.now().monotonic, Duration::from_secs(1) / self.fps);
        // After the opening, or a pause, time begins anew.
        self.time = if self.due.is_some() { self.time + interval } else { now };
        let due = *self.due.get_or_insert(now);
        if let Some(early) = due.checked_sub(now) {
            std::thread::sleep(early);
        }
        self.due = Some(due.max(now) + interval);
    }
}

/// The pictures in a folder in order of name, and in words what else is there that may
/// have been meant.
fn pictures_in(folder: &Path) -> std::io::Result<(Vec<PathBuf>, Vec<String>)> {
    let entries = std::fs::read_dir(folder)?.flatten();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // Names with a dot in front are notes of other systems (._photo.jpg), no pictures.
    let paths = entries.map(|entry| entry.path()).filter(|path| !name(path).starts_with('.'));
    let (mut files, others): (Vec<PathBuf>, Vec<PathBuf>) =
        paths.partition(|path| media::is_read(path) && path.is_file());
    files.sort();
    let mut others: Vec<String> = others
        .iter()
        .filter_map(|path| match media::is_read(path) {
            // Whoever reads a pipe waits for its writer.
            true => Some(format!("{}, is no file", name(path))),
            false => Some(format!("{}, is the name of {}", name(path), media::by_name(path)?)),
        })
        .collect();
    others.sort();
    Ok((files, others))
}

impl FrameSource for Replay {
    fn next_frame(&mut self, frame: &mut Frame, _limit: Duration) -> Result<(), SourceError> {
        if self.next == self.len() {
            // Played once it is at its end, whatever became of its pictures.
            if !self.repeat {
                return Err(SourceError::End);
            }
            if !self.any_good {
                let (count, name, last) = (self.len(), &self.name, &self.failure);
                let reason = format!("{name}: none of its {count} pictures could be read: {last}");
                return Err(SourceError::Lost(reason));
            }
            (self.next, self.any_good) = (0, false);
        }
        self.wait();
        let number = self.next;
        self.next += 1;
        self.show(number, frame).inspect_err(|error| self.failure = error.to_string())?;
        self.any_good = true;
        frame.orientation = frame.orientation.then(self.turn);
        frame.captured = self.clock.now();
        frame.lag = frame.captured.monotonic.saturating_sub(self.time);
        // The buffers come round in turns: what one holds says nothing of the others.
        self.shown += 1;
        frame.sequence = self.shown;
        Ok(())
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn is_recorded(&self) -> bool {
        true
    }

    fn resume(&mut self) {
        self.due = None;
    }

    fn set_orientation(&mut self, orientation: Orientation) {
        self.turn = orientation;
    }

    fn describe(&self) -> String {
        let times = if self.repeat { "for ever" } else { "once" };
        format!("{} pictures of {} at {}/s, {times}", self.len(), self.name, self.fps)
    }
}

impl Replay {
    /// Puts a picture into `frame`.
    fn show(&self, number: usize, frame: &mut Frame) -> Result<(), SourceError> {
        match &self.recording {
            Recording::Files(files) => picture::read_into(&files[number], frame)
                .map_err(|error| SourceError::BadFrame(error.to_string())),
            Recording::MotionJpeg(film) => film.read_into(number, frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::clock::{Moment, SystemClock, at};

    fn open(path: &Path) -> Result<Replay, SourceError> {
        let settings = Settings { fps: 240, ..Settings::default() };
        replay(path, &settings, Arc::new(SystemClock))
    }

    fn replay(
        path: &Path,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Replay, SourceError> {
        Replay::open(path, settings, clock, &|| true)
    }

    fn png(path: &Path) {
        image::RgbImage::new(4, 3).save_with_format(path, image::ImageFormat::Png).expect("saved");
    }

    /// A machine on which whatever is done takes a second.
    #[derive(Default)]
    struct Slow(AtomicU32);

    impl Clock for Slow {
        fn now(&self) -> Moment {
            at(100 + u64::from(self.0.fetch_add(1, Ordering::Relaxed)))
        }
    }

    #[test]
    fn a_recording_goes_at_its_own_rate_however_slow_the_machine_is() {
        let folder = tempfile::tempdir().expect("a folder");
        (0..4).for_each(|number| png(&folder.path().join(format!("{number}.png"))));
        // A broken picture takes its time, too.
        std::fs::write(folder.path().join("2.png"), "no picture").expect("written");
        let settings = Settings { fps: 4, repeat: true, ..Settings::default() };
        let mut replay =
            replay(folder.path(), &settings, Arc::new(Slow::default())).expect("pictures");
        let mut frame = Frame::empty(at(0));
        let mut times = Vec::new();
        for _ in 0..8 {
            if replay.next_frame(&mut frame, Duration::ZERO).is_ok() {
                assert!(frame.captured.monotonic > frame.time().monotonic, "it is behind");
                assert_eq!(frame.captured.wall, frame.time().wall);
                times.push(frame.time().monotonic.as_millis());
            }
        }
        assert_eq!(times, [100_000, 100_250, 100_750, 101_000, 101_250, 101_750]);
    }

    /// Whichever buffer a picture comes in: several are on their way at once.
    #[test]
    fn pictures_are_numbered_one_after_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        (0..2).for_each(|number| png(&folder.path().join(format!("{number}.png"))));
        let mut replay = open(folder.path()).expect("pictures");
        replay.repeat = true;
        let mut buffers = [(); 3].map(|()| Frame::empty(at(0)));
        let numbers = [0, 1, 0, 2, 1].map(|buffer: usize| {
            replay.next_frame(&mut buffers[buffer], Duration::ZERO).expect("a picture");
            buffers[buffer].sequence
        });
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_recording_goes_on_after_a_pause_where_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in 1..=3 {
            let picture = image::RgbImage::new(number, 1);
            picture.save(folder.path().join(format!("{number}.png"))).expect("saved");
        }
        let settings = Settings { fps: 4, ..Settings::default() };
        let mut replay =
            replay(folder.path(), &settings, Arc::new(Slow::default())).expect("pictures");
        let mut frame = Frame::empty(at(0));
        let mut seen = Vec::new();
        for _ in 0..3 {
            replay.next_frame(&mut frame, Duration::ZERO).expect("a picture");
            seen.push((frame.size.width, frame.lag.as_secs()));
            replay.resume();
        }
        // The clock goes on by a second from the time of each picture to its delivery.
        assert_eq!(seen, [(1, 1), (2, 1), (3, 1)]);
        let end = replay.next_frame(&mut frame, Duration::ZERO);
        assert!(matches!(end, Err(SourceError::End)), "{end:?}");
    }

    #[test]
    fn a_folder_names_what_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a.heic"), "").expect("written");
        std::fs::write(folder.path().join("notes.txt"), "").expect("written");
        // What `evaluate` calls a picture is none that is passed over in silence here.
        std::fs::write(folder.path().join("b.dng"), "").expect("written");
        assert_eq!(pictures_in(folder.path()).expect("readable").1.len(), 2);
        let error = open(folder.path()).err().expect("no pictures").to_string();
        assert!(error.contains("no pictures in it") && error.contains("a.heic"), "{error}");
        assert!(error.contains("HEIC picture"), "{error}");
        png(&folder.path().join("b.png"));
        std::fs::write(folder.path().join("._b.png"), "").expect("written");
        let replay = open(folder.path()).expect("a picture");
        assert_eq!(replay.len(), 1);
        let [note] = replay.notes() else { panic!("{:?}", replay.notes()) };
        assert!(note.contains("2 of its files are left out"), "{note}");
    }

    #[test]
    fn a_film_is_not_opened_whatever_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("film");
        std::fs::write(&path, b"\0\0\0\x20ftypisom").expect("written");
        let error = open(&path).err().expect("no pictures").to_string();
        assert!(error.contains("it is an MP4 film"), "{error}");
    }

    /// For ever, since they may be written anew; once, they are at their end like others.
    #[test]
    fn pictures_of_which_none_can_be_read_are_opened_again_only_where_they_repeat() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut frame = Frame::empty(SystemClock.now());
        let limit = Duration::from_secs(1);
        std::fs::write(folder.path().join("a.png"), "no picture").expect("written");
        for repeat in [true, false] {
            let mut replay = open(folder.path()).expect("files");
            replay.repeat = repeat;
            assert!(matches!(replay.next_frame(&mut frame, limit), Err(SourceError::BadFrame(_))));
            match replay.next_frame(&mut frame, limit) {
                Err(SourceError::Lost(why)) if repeat => assert!(why.contains("a.png"), "{why}"),
                Err(SourceError::End) if !repeat => {}
                other => panic!("{repeat}: {other:?}"),
            }
        }
        png(&folder.path().join("b.png"));
        let mut replay = open(folder.path()).expect("files");
        assert!(matches!(replay.next_frame(&mut frame, limit), Err(SourceError::BadFrame(_))));
        assert!(replay.next_frame(&mut frame, limit).is_ok());
        assert!(matches!(replay.next_frame(&mut frame, limit), Err(SourceError::End)));
    }
}

//! What arrives: commands, settings of the device's groups, Home Assistant's birth,
//! and what the broker keeps of an earlier run.

use std::fmt;
use std::iter;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::command::{AT_ONCE, Command, CommandError};
use super::groups::{GroupSettings, SettingsByGroup};
use crate::clock::Clock;
use crate::home_assistant::size::TooLarge;
use crate::home_assistant::{About, BIRTH};
use crate::mqtt::client::session::SWEEP;
use crate::mqtt::message::Class;
use crate::mqtt::message::{MessageError, Received, Subscriptions};
use crate::mqtt::received;
use crate::name::Name;
use crate::publish::Publisher;
use crate::random::jitter;
use crate::token_bucket::TokenBucket;

/// Commands that wait to be carried out: as many as may come at once, and a pause. With less
/// room, what comes last of a burst would be lost, which is what counts of it.
const WAITING: usize = AT_ONCE as usize + 1;

/// After a start, the retained topics of a camera that no longer exists stay for so long.
/// Home Assistant is told to remove that camera's entities [`SWEEP`] after the start. Until
/// it has, they read those topics, and it would log a warning for each entity whose
/// topic was emptied first.
const CLEANUP_DELAY: Duration = SWEEP.saturating_add(Duration::from_secs(3));

/// What must be heard for [`start`] to do its work.
pub fn subscriptions(about: &About) -> Subscriptions {
    let topics = &about.topics;
    let mut states: Vec<String> =
        topics.groups().iter().map(|group| topics.group_settings(group)).collect();
    if about.settings.enabled {
        states.push(about.settings.birth_topic.clone());
    }
    let lasting = iter::once(topics.command()).chain(states.iter().cloned()).collect();
    // Also when switched off: what an earlier run announced has to go.
    states.push(about.topic());
    let sweep = topics.of_any_camera().into_iter().chain([about.topic()]).collect();
    Subscriptions { lasting, sweep, states }
}

/// What was understood.
pub struct ControlMessages {
    /// One after the other.
    pub commands: mpsc::Receiver<Command>,
    /// What groups have said since the start, the latest word of each.
    pub groups: watch::Receiver<SettingsByGroup>,
}

/// Announces the device and listens for it, on the current runtime.
pub fn start(
    publisher: Publisher,
    received: received::Receiver,
    about: About,
    clock: Arc<dyn Clock>,
) -> ControlMessages {
    let (commands, waiting) = mpsc::channel(WAITING);
    let (groups, settings_of_groups) = watch::channel(SettingsByGroup::new());
    let rate = TokenBucket::new(AT_ONCE, clock.now().monotonic);
    let refusals = Refusals { told: rate.clone(), untold: 0 };
    let (closed, repeat) = (false, Repeat::default());
    let inbox = Inbox { publisher, about, commands, groups, rate, refusals, closed, repeat, clock };
    inbox.announce(None);
    tokio::spawn(inbox.run(received));
    ControlMessages { commands: waiting, groups: settings_of_groups }
}

struct Inbox {
    publisher: Publisher,
    about: About,
    commands: mpsc::Sender<Command>,
    groups: watch::Sender<SettingsByGroup>,
    rate: TokenBucket,
    refusals: Refusals,
    /// Whether `pause` was handed over and no `resume` since.
    closed: bool,
    /// After a birth: everything is said again soon.
    repeat: Repeat,
    clock: Arc<dyn Clock>,
}

impl Inbox {
    async fn run(mut self, mut received: received::Receiver) {
        while let Some(message) = received.recv().await {
            let topic = &message.topic;
            if *topic == self.about.topics.command() {
                self.command(&message);
            } else if let Some(group) = self.about.topics.group_of(topic).cloned() {
                self.group(&group, &message.payload);
            } else if *topic == self.about.settings.birth_topic {
                self.birth(&message);
            } else if *topic == self.about.topic() {
                self.earlier_discovery(&message);
            } else {
                self.earlier_camera(&message);
            }
        }
    }

    fn announce(&self, before: Option<&[u8]>) {
        if !self.about.settings.enabled {
            return;
        }
        let payload = self.about.payload(before).to_string().into_bytes();
        let outcome = self.publisher.set_retained(Class::Discovery, self.about.topic(), payload);
        match outcome {
            Err(MessageError::Oversized { size, limit, .. }) => {
                let with_earlier = before.is_some() && self.about.check_size(limit).is_ok();
                let refused = TooLarge { size, limit, with_earlier };
                log::error!("Home Assistant: {refused}; {}", refused.remedy());
            }
            Err(refused) => log::error!("{refused}"),
            Ok(()) => {}
        }
    }

    fn command(&mut self, message: &Received) {
        // Whoever removes a retained command says nothing with it (MQTT 3.1.1, 3.3.1.3).
        if message.payload.is_empty() {
            return;
        }
        let outcome = self.read(message).and_then(|command| self.hand_over(command));
        if let Err(refused) = outcome {
            self.refuse(format_args!("a command: {refused}"));
        }
    }

    fn refuse(&mut self, what: fmt::Arguments) {
        self.publisher.count_refused_command();
        if let Some(untold) = self.refusals.tell(self.clock.now().monotonic) {
            let more =
                if untold == 0 { String::new() } else { format!("; and {untold} before it") };
            log::warn!("refused {what}{more}");
        }
    }

    /// What a message says, if that may be carried out now. Whatever was asked before, the
    /// camera can be closed.
    fn read(&mut self, message: &Received) -> Result<Command, CommandError> {
        if message.retained {
            return Err(CommandError::Retained(message.topic.clone()));
        }
        let command = self.of_known_zones(Command::parse(&message.payload)?)?;
        if command != (Command::Pause {}) && !self.rate.allow(self.clock.now().monotonic) {
            return Err(CommandError::TooMany);
        }
        Ok(command)
    }

    /// The last place is kept for a pause. One behind another changes nothing and is not
    /// handed over, so that place is free when one comes, and a flood of them is nobody's work.
    fn hand_over(&mut self, command: Command) -> Result<(), CommandError> {
        let pause = command == (Command::Pause {});
        if pause && self.closed {
            return Ok(());
        }
        if !pause && self.commands.capacity() < 2 {
            return Err(CommandError::Behind);
        }
        let room = self.commands.try_reserve().map_err(|_| CommandError::Behind)?;
        log::info!("told over MQTT: {command:?}");
        self.closed = pause || self.closed && command != (Command::Resume {});
        room.send(command);
        Ok(())
    }

    /// The command, unless it names a zone that is not there. Groups may: their settings
    /// are for many devices.
    fn of_known_zones(&self, command: Command) -> Result<Command, CommandError> {
        let known = |name: &&str| self.about.zones.iter().any(|zone| zone.name == **name);
        if let Command::Set { zones: Some(zones), .. } = &command
            && let Some(unknown) = zones.names().find(|name| !known(name))
        {
            return Err(CommandError::NoZone(unknown.to_owned()));
        }
        Ok(command)
    }

    /// A state, so the latest word replaces the one before, which may not even have
    /// been looked at: a flood costs no more than that.
    fn group(&mut self, group: &Name, payload: &[u8]) {
        match GroupSettings::parse(payload) {
            Ok(settings) => {
                self.groups.send_if_modified(|known| {
                    let before = known.insert(group.to_string(), settings.clone());
                    before != Some(settings)
                });
            }
            Err(refused) => self.refuse(format_args!("settings of group {group}: {refused}")),
        }
    }

    /// Home Assistant has started and knows nothing: say everything again, each
    /// device of a fleet at its own moment. One that comes before that moment is heard with it.
    fn birth(&mut self, message: &Received) {
        // A retained birth is old news, and a new connection says everything anyway.
        if message.retained || message.payload != BIRTH {
            return;
        }
        let wait = before_repeat(self.about.settings.birth_jitter_s, jitter());
        let publisher = self.publisher.clone();
        self.repeat.after(wait, move || publisher.repeat_retained());
    }

    /// What an earlier run announced: components that are gone are taken back.
    fn earlier_discovery(&self, message: &Received) {
        if !message.retained || message.payload.is_empty() {
            return;
        }
        if self.about.settings.enabled {
            self.announce(Some(&message.payload));
        } else {
            self.publisher.retain(Class::Discovery, self.about.topic(), Vec::new());
        }
    }

    /// What an earlier run said about a camera that is not there any more.
    fn earlier_camera(&self, message: &Received) {
        let Some(camera) = self.about.topics.camera_of(&message.topic) else { return };
        let known = self.about.cameras.iter().any(|known| known.as_str() == camera);
        if !message.retained || message.payload.is_empty() || known {
            return;
        }
        let (publisher, topic) = (self.publisher.clone(), message.topic.clone());
        tokio::spawn(async move {
            tokio::time::sleep(CLEANUP_DELAY).await;
            publisher.retain(Class::State, topic, Vec::new());
        });
    }
}

/// Births that come within this time are answered together, also where there is no jitter:
/// to say everything again is a message for each retained topic.
const TOGETHER: Duration = Duration::from_secs(1);

/// How long everything waits to be said again; `part` of the jitter is from 0 to 1.
fn before_repeat(jitter_s: u64, part: f64) -> Duration {
    TOGETHER + Duration::from_secs(jitter_s).mul_f64(part)
}

/// Work that is done later, once however often it is asked for before.
#[derive(Default)]
struct Repeat(Option<JoinHandle<()>>);

impl Repeat {
    /// Whether it was not waiting already.
    fn after(&mut self, wait: Duration, work: impl FnOnce() + Send + 'static) -> bool {
        let is_new = self.0.as_ref().is_none_or(JoinHandle::is_finished);
        if is_new {
            self.0 = Some(tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                work();
            }));
        }
        is_new
    }
}

/// Which refusals are told: as many as commands are allowed, or a sender gone wrong would fill the
/// journal. All are counted.
struct Refusals {
    told: TokenBucket,
    untold: u64,
}

impl Refusals {
    /// Whether the one at monotonic time `now` is told, and how many before it were not.
    fn tell(&mut self, now: Duration) -> Option<u64> {
        if self.told.allow(now) {
            return Some(mem::take(&mut self.untold));
        }
        self.untold += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_a_few_lines_that_say_how_many_there_were() {
        let mut refusals = Refusals { told: TokenBucket::new(AT_ONCE, Duration::ZERO), untold: 0 };
        let mut tell = |second| refusals.tell(Duration::from_secs(second));
        assert_eq!((0..1000).filter_map(|_| tell(1)).collect::<Vec<_>>(), [0; AT_ONCE as usize]);
        assert_eq!(tell(61), Some(1000 - u64::from(AT_ONCE)));
        assert_eq!(tell(61), Some(0));
    }

    #[test]
    fn births_have_a_second_to_come_together_and_the_jitter_spreads_the_answers() {
        let seconds = |jitter_s, part| before_repeat(jitter_s, part).as_secs_f64();
        assert_eq!([seconds(0, 0.0), seconds(0, 1.0)], [1.0; 2]);
        assert_eq!([seconds(5, 0.0), seconds(5, 0.5), seconds(5, 1.0)], [1.0, 3.5, 6.0]);
    }

    #[tokio::test]
    async fn of_many_births_one_is_answered() {
        let mut repeat = Repeat::default();
        let (done, is_done) = tokio::sync::oneshot::channel();
        assert!(repeat.after(Duration::ZERO, || done.send(()).expect("it is waited for")));
        assert!(!repeat.after(Duration::ZERO, || panic!("one is enough")));
        is_done.await.expect("it was done");
        while !repeat.0.as_ref().is_some_and(JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
        assert!(repeat.after(Duration::ZERO, || ()));
    }
}

//! What arrives: commands, settings of the device's groups, Home Assistant's birth,
//! and what the broker keeps of an earlier run.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::command::{AT_ONCE, Command, CommandError};
use super::groups::{GroupSettings, SettingsByGroup};
use crate::clock::Clock;
use crate::home_assistant::About;
use crate::home_assistant::size::TooLarge;
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
    let inbox = Inbox { publisher, about, commands, groups, rate, closed: false, clock };
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
    /// Whether `pause` was handed over and no `resume` since.
    closed: bool,
    clock: Arc<dyn Clock>,
}

impl Inbox {
    async fn run(mut self, mut received: received::Receiver) {
        while let Some(message) = received.recv().await {
            let topic = &message.topic;
            if *topic == self.about.topics.command() {
                self.command(&message);
            } else if let Some(group) = self.about.topics.group_of(topic) {
                self.group(group, &message.payload);
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
                let refused = TooLarge { size, limit };
                log::error!("Home Assistant: {refused}; {}", refused.remedy());
            }
            Err(refused) => log::error!("{refused}"),
            Ok(()) => {}
        }
    }

    fn command(&mut self, message: &Received) {
        let outcome = self.read(message).and_then(|command| self.hand_over(command));
        if let Err(refused) = outcome {
            self.publisher.count_refused_command();
            log::warn!("refused a command: {refused}");
        }
    }

    /// What a message says, if that may be carried out now. Whatever was asked before, the
    /// camera can be closed.
    fn read(&mut self, message: &Received) -> Result<Command, CommandError> {
        if message.retained {
            return Err(CommandError::Retained);
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
    fn group(&self, group: &Name, payload: &[u8]) {
        match GroupSettings::parse(payload) {
            Ok(settings) => {
                self.groups.send_if_modified(|known| {
                    let before = known.insert(group.to_string(), settings.clone());
                    before != Some(settings)
                });
            }
            Err(refused) => {
                self.publisher.count_refused_command();
                log::warn!("refused settings of group {group}: {refused}");
            }
        }
    }

    /// Home Assistant has started and knows nothing: say everything again, each
    /// device of a fleet at its own moment.
    fn birth(&self, message: &Received) {
        // A retained birth is old news, and a new connection says everything anyway.
        if message.retained || message.payload != b"online" {
            return;
        }
        let longest = Duration::from_secs(self.about.settings.birth_jitter_s);
        let publisher = self.publisher.clone();
        tokio::spawn(async move {
            tokio::time::sleep(longest.mul_f64(jitter())).await;
            publisher.repeat_retained();
        });
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

//! The whole program while it runs: starts the threads, listens to signals and
//! commands, ends in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::clock_step::Since;
use super::composition::{Composition, watch_package};
use super::heartbeat;
use super::page::Page;
use super::plan::{Plan, holding, settled};
use super::shared::Shared;
use super::signals::Signals;
use super::state::Orders;
use super::threads::{Setup, Threads};
use super::watcher::{Subject, Watcher};
use crate::alarm::Alarm;
use crate::board::forgets;
use crate::clock::{Clock, SystemClock};
use crate::control::changes::Changes;
use crate::control::command::Command;
use crate::control::inbox::{self, ControlMessages};
use crate::error::{Error, Kind, Result};
use crate::mqtt::Holding;
use crate::mqtt::urls::Listed;
use crate::preview::SettingsStore;
use crate::preview::live::Live;
use crate::preview::trial::PageOrder;
use crate::publish::{Publisher, Start};
use crate::random::jitter;
use crate::service::{Service, watchdog_interval};
use crate::zones::Zones;

/// What the daemon ended for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A signal, a command, or the end of recorded pictures.
    Finished,
    /// The settings changed and are fit: start again with them.
    Reload,
}

/// Reads and tries the settings that the next start would use, beside what this one holds.
pub type Rehearsal = Arc<dyn Fn(&Holding) -> Result<()> + Send + Sync>;

/// Runs until a signal, a command, or the end of recorded pictures.
///
/// # Errors
///
/// A panic of one of its threads or tasks, after the broker was told that it ends.
pub async fn daemon(
    plan: Plan,
    gallery: Option<PathBuf>,
    rehearse: Rehearsal,
    store: Arc<dyn SettingsStore>,
    signals: Signals,
) -> Result<Ending> {
    let mut program = Program::start(plan, gallery.clone(), rehearse, store, signals)?;
    program.publish_inventory();
    program.enforce();
    let wanted = program.attend().await;
    let ending = program.end(wanted).await;
    program.farewell(gallery.as_deref());
    let mut stop = program.leave();
    // The program that starts again would know nothing of a signal that came until now.
    match ending {
        Ok(Ending::Reload) => Ok(stop.came().await.map_or(Ending::Reload, |name| {
            log::info!("{name} while ending: stopping");
            Service::default().stopping();
            Ending::Finished
        })),
        ending => ending,
    }
}

/// Tells systemd that everything runs.
fn say_ready(service: &Service) {
    service.ready();
    if let Some(words) = watchdog_interval().and_then(heartbeat::impatience) {
        log::warn!("{words}");
    }
    // Loading may have taken most of the watchdog's time after a reload.
    service.alive();
}

/// Says that what is kept does not outlive a restart of the machine, a pause among it.
fn warn_of_memory(state_dir: Option<&Path>) {
    let Some(folder) = state_dir else {
        log::warn!(
            "there is no folder for state (device.state_dir, STATE_DIRECTORY, HOME): a pause, what \
             groups have said and events that wait are forgotten when the daemon ends"
        );
        return;
    };
    // systemd.exec(5), `StateDirectory=`.
    let given = std::env::var_os("STATE_DIRECTORY").is_some();
    if let Some(why) = forgets(folder, given) {
        let folder = folder.display();
        log::warn!("{folder} is empty after each restart of the machine: {why}; see doctor");
    }
}

pub(super) struct Program {
    pub(super) shared: Arc<Shared>,
    pub(super) threads: Threads,
    pub(super) watcher: Watcher,
    pub(super) control: ControlMessages,
    page: Page,
    pub(super) signals: Signals,
    pub(super) changes: Changes,
    composition: Composition,
    zones: Zones,
    /// What a next start finds taken, and by whom.
    held: Holding,
    rehearse: Rehearsal,
    /// New settings that are being tried.
    rehearsal: Option<JoinHandle<Result<()>>>,
    /// The page has saved settings that want a new start.
    start_again: Notify,
}

impl Program {
    /// Starts the publisher, the page and the threads, and tells systemd.
    fn start(
        plan: Plan,
        gallery: Option<PathBuf>,
        rehearse: Rehearsal,
        store: Arc<dyn SettingsStore>,
        signals: Signals,
    ) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (publisher, control) = connect(&plan, &clock)?;
        let (composition, subject) =
            (Composition::of(&plan, clock.now_with_sleep()), Subject::of(&plan));
        let held = holding(&plan.config).at(publisher.brokers());
        let Plan { config, networks, grouping, about, camera, state_dir, page_tls, .. } = plan;
        let (broker, device) = (Listed(publisher.brokers()), publisher.topics().device());
        log::info!("broker: {broker}; mosquitto_sub -v -t '{}/{device}/#'", config.mqtt.base_topic);
        let groups = about.topics.groups().to_vec();
        warn_of_memory(state_dir.as_deref());
        let changes = Changes::load(settled(&config), groups, state_dir.clone());
        let zones = Zones::new(&config.zone);
        let in_force = changes.in_force();
        let live = Live::new(&config.preview, in_force.is_private());
        let live = config.preview.address().map(|_| Arc::new(live));
        let mut orders = Orders::default();
        orders.take_over(&in_force, &zones);
        let shared = Shared::new(clock, orders, live);
        let page = Page::start(&config, &about, &grouping, page_tls, store, state_dir, &shared)?;
        let setup = Setup {
            config: &config,
            networks,
            grouping,
            camera: &camera,
            publisher: &publisher,
            gallery,
        };
        let threads = Threads::start(setup, &shared)?;
        let state = changes.state();
        let watcher = Watcher::new(publisher.clone(), Arc::clone(&shared), subject, state);
        say_ready(&watcher.service);
        Ok(Self {
            shared,
            threads,
            watcher,
            control,
            page,
            signals,
            changes,
            composition,
            zones,
            held,
            rehearse,
            rehearsal: None,
            start_again: Notify::new(),
        })
    }

    /// Until something says to end.
    async fn attend(&mut self) -> Result<Ending> {
        let mut look = tokio::time::interval(self.shared.period);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut package = watch_package();
        let mut capturing = true;
        loop {
            tokio::select! {
                _ = look.tick() => self.look(),
                Ok(()) = package.changed() => {
                    self.composition.package = package.borrow_and_update().clone();
                    self.tell_inventory();
                }
                ended = self.threads.inference.ended() => {
                    return ended.and_then(|()| self.recording_ended());
                }
                // A list of pictures is at its end; the last ones are still looked at.
                ended = self.threads.capture.ended(), if capturing => {
                    ended?;
                    capturing = false;
                }
                command = self.control.commands.recv() => match command {
                    Some(Command::Restart {}) => return Ok(Ending::Finished),
                    Some(other) => self.obey(other),
                    // Also when the connection's task is gone, from which it hears.
                    None => return Err(Error::new(
                        Kind::Panic,
                        "the task that hears the broker ended: a fault of this program; the log \
                         says where",
                    )),
                },
                order = self.page.order() => self.follow_page(order),
                // One that comes meanwhile is kept: the settings may be others again.
                _ = self.signals.reload.recv(), if self.rehearsal.is_none() => self.try_settings(),
                () = self.start_again.notified(), if self.rehearsal.is_none() => self.try_settings(),
                outcome = outcome(&mut self.rehearsal) => if self.may_reload(outcome) {
                    return Ok(Ending::Reload);
                },
                name = self.signals.stop.next() => {
                    log::info!("{name}: stopping");
                    return Ok(Ending::Finished);
                }
            }
        }
    }

    /// Reads the settings that are there now and tries whether they are fit to start again
    /// with. The model's self-test takes seconds on a slow board, on a thread of its own:
    /// meanwhile signals are obeyed and the watchdog is fed.
    fn try_settings(&mut self) {
        log::info!("reading the settings again");
        self.watcher.service.reloading();
        let (rehearse, held) = (Arc::clone(&self.rehearse), self.held.clone());
        self.rehearsal = Some(tokio::task::spawn_blocking(move || rehearse(&held)));
    }

    /// Whether the settings that were tried are fit. Refused ones change nothing: the
    /// daemon goes on as it was.
    fn may_reload(&mut self, outcome: Result<()>) -> bool {
        self.rehearsal = None;
        let Err(refused) = outcome else {
            self.watcher.service.alive();
            return true;
        };
        log::error!(message_id = Alarm::SettingsRefused.id();
            "the new settings are refused, the old ones stay: {refused}");
        self.watcher.service.ready();
        if let Some(live) = &self.shared.live {
            live.settings_refused.send_replace(Some(refused.to_string()));
        }
        self.composition.refused_settings = Some(refused.to_string());
        self.tell_inventory();
        false
    }

    /// Something in it became another.
    fn tell_inventory(&mut self) {
        self.composition.since = Since::new(self.shared.clock.now_with_sleep());
        self.publish_inventory();
    }

    fn publish_inventory(&self) {
        let inventory = self.composition.inventory();
        if let Err(refused) = self.watcher.publisher.set_inventory(&inventory) {
            log::error!("inventory: {refused}");
        }
    }

    fn look(&mut self) {
        self.hear_groups();
        if self.composition.since.corrected(self.shared.clock.now_with_sleep()) {
            self.publish_inventory();
        }
        let picture = self.shared.view.borrow().picture;
        if let Some(picture) = picture {
            self.changes.follow_picture(picture);
        }
        self.watcher.change_errors = self.changes.store_errors();
        let strained = self.watcher.look();
        self.shared.orders.send_modify(|orders| orders.strained = strained);
    }

    /// Carries out a command that does not end the program, and shows it at once.
    fn obey(&mut self, command: Command) {
        match command {
            Command::Identify {} => self.watcher.identify(),
            Command::Snapshot {} => self.snapshot(),
            other => self.changes.follow(other),
        }
        self.enforce();
        self.look();
    }

    /// Carries out what the page orders.
    fn follow_page(&mut self, order: PageOrder) {
        match order {
            PageOrder::Settle(tuning) => {
                self.changes.settle(tuning);
                self.enforce();
                self.look();
            }
            PageOrder::Saved(tunable) => {
                self.composition.retune(*tunable);
                self.tell_inventory();
            }
            PageOrder::StartAgain => self.start_again.notify_one(),
        }
    }

    /// Takes over what groups have said since the last look: once a second at most,
    /// however often they say it, because each change is a write to the card.
    fn hear_groups(&mut self) {
        // An error means that the inbox is gone: the program is ending.
        if !self.control.groups.has_changed().unwrap_or(false) {
            return;
        }
        let heard = self.control.groups.borrow_and_update().clone();
        if self.changes.take_over(heard) {
            log::info!("a group said something else; now in force: {}", self.changes.in_force());
            self.enforce();
        }
    }

    /// Tells everybody what counts now.
    fn enforce(&mut self) {
        self.watcher.control = self.changes.state();
        let in_force = &self.watcher.control.in_force;
        if let Some(live) = &self.shared.live {
            live.set_private(in_force.is_private());
        }
        let mut withdrawn = 0;
        self.shared.orders.send_modify(|orders| {
            withdrawn = orders.take_over(in_force, &self.zones);
        });
        if let Some(why) = in_force.no_snapshot() {
            // One that was made already may wait for the broker.
            let waiting = u64::from(self.watcher.withdraw_snapshot());
            self.watcher.publisher.refuse_snapshots(withdrawn + waiting, why);
        }
    }

    /// Asks for the next picture, if its owner lets pictures out.
    fn snapshot(&self) {
        if let Some(why) = self.changes.in_force().no_snapshot() {
            return self.watcher.publisher.refuse_snapshots(1, why);
        }
        let now = self.shared.clock.now().monotonic;
        self.shared.orders.send_modify(|orders| orders.ask(now));
    }
}

/// What came of new settings; for ever waiting while none are tried.
async fn outcome(rehearsal: &mut Option<JoinHandle<Result<()>>>) -> Result<()> {
    match rehearsal {
        Some(trying) => trying.await.unwrap_or_else(|error| {
            Err(Error::caused(Kind::Panic, "a fault of this program while it tried them", error))
        }),
        None => std::future::pending().await,
    }
}

/// Starts the publisher and announces the device.
fn connect(plan: &Plan, clock: &Arc<dyn Clock>) -> Result<(Publisher, ControlMessages)> {
    let about = plan.about.clone();
    let start = Start {
        settings: plan.config.mqtt.clone(),
        device: about.topics.device().clone(),
        credentials: plan.credentials.clone(),
        state_dir: plan.state_dir.clone(),
        subscriptions: inbox::subscriptions(&about),
        clock: Arc::clone(clock),
        jitter,
    };
    let (publisher, received) = Publisher::start(start)?;
    let control = inbox::start(publisher.clone(), received, about, Arc::clone(clock));
    Ok((publisher, control))
}

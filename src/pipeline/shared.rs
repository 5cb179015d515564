//! What the threads of the daemon share. Frames go through the mailbox, everything
//! else is a latest value: nobody waits for anybody.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::counters::Counters;
use super::frame_health::FrameHealth;
use super::heartbeat;
use super::mailbox::Mailbox;
use super::state::{CaptureState, Orders, View};
use super::stop::Stop;
use crate::clock::Clock;
use crate::pixels::frame::Frame;
use crate::preview::live::Live;
use crate::service::watchdog_interval;

/// Made once, held by every thread.
pub(crate) struct Shared {
    /// From the capture to the inference thread.
    pub mailbox: Mailbox<Frame>,
    /// What happened to frames.
    pub counters: Counters,
    /// Ends every thread.
    pub stop: Stop,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long a thread may take from round to round.
    pub period: Duration,
    /// Told by the capture thread.
    pub capture: watch::Sender<CaptureState>,
    /// Told by both threads: whether frames can be read.
    pub frames: watch::Sender<FrameHealth>,
    /// Told by the inference thread.
    pub view: watch::Sender<View>,
    /// Told to both threads.
    pub orders: watch::Sender<Orders>,
    /// Shared with the page; none while that is off.
    pub live: Option<Arc<Live>>,
}

impl Shared {
    /// Before anything runs: the camera is not open yet, and stays closed where `orders` say so.
    pub(crate) fn new(clock: Arc<dyn Clock>, orders: Orders, live: Option<Arc<Live>>) -> Arc<Self> {
        let opening = CaptureState::Opening { since: clock.now().monotonic };
        let capture = if orders.paused { CaptureState::Paused } else { opening };
        Arc::new(Self {
            mailbox: Mailbox::new(Frame::empty(clock.now())),
            counters: Counters::default(),
            stop: Stop::default(),
            capture: watch::Sender::new(capture),
            period: heartbeat::period(watchdog_interval()),
            frames: watch::Sender::new(FrameHealth::default()),
            clock,
            view: watch::Sender::new(View::default()),
            orders: watch::Sender::new(orders),
            live,
        })
    }

    /// See [`Orders::owes`].
    pub(crate) fn owes(&self, taken: Duration) -> bool {
        self.orders.borrow().owes(taken, self.clock.now().monotonic)
    }

    /// Publishes the picture that this frame, taken then, answers a request with, if it still
    /// does; `publish` hears how many commands asked for it. Whoever withdraws it meanwhile finds
    /// the request or, behind it, the picture.
    pub(crate) fn answer(&self, taken: Duration, publish: impl FnOnce(u64)) {
        let now = self.clock.now().monotonic;
        self.orders.send_if_modified(|orders| {
            let commands = orders.take_request(taken, now);
            if commands > 0 {
                publish(commands);
            }
            commands > 0
        });
    }

    /// See [`Orders::take_late_request`].
    pub(crate) fn take_late_request(&self) -> u64 {
        let now = self.clock.now().monotonic;
        self.take(|orders| orders.take_late_request(now))
    }

    /// See [`Orders::withdraw`].
    pub(crate) fn withdraw_request(&self) -> u64 {
        self.take(Orders::withdraw)
    }

    fn take(&self, take: impl FnOnce(&mut Orders) -> u64) -> u64 {
        let mut commands = 0;
        self.orders.send_if_modified(|orders| {
            commands = take(orders);
            commands > 0
        });
        commands
    }
}

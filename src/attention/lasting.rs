//! What is told of a picture only when it has lasted.

use std::time::Duration;

/// Without pictures for so long nothing has lasted: the camera was closed.
pub(super) const GAP: Duration = Duration::from_secs(30);

/// Something that counts only when it has lasted, and is over only when its end has.
#[derive(Clone, Debug, Default)]
pub(super) struct Lasting {
    /// Whether it counts.
    pub(super) on: bool,
    /// Since when the pictures have said otherwise.
    pub(super) since: Option<Duration>,
    /// When it began or ended.
    pub(super) changed: Option<Duration>,
}

impl Lasting {
    /// `begins` and `ends`: what the picture of `now` says, for something that is not, and
    /// for something that is.
    pub(super) fn follow(
        &mut self,
        begins: bool,
        ends: bool,
        now: Duration,
        least: Duration,
        least_end: Duration,
    ) {
        let (otherwise, least) = if self.on { (ends, least_end) } else { (begins, least) };
        if !otherwise {
            self.since = None;
        } else if now.saturating_sub(*self.since.get_or_insert(now)) >= least {
            *self = Self { on: !self.on, since: None, changed: Some(now) };
        }
    }
}

//! What systemd is told: ready, status, stopping, and that we are alive
//! (sd_notify(3)). Without systemd (no `NOTIFY_SOCKET`) every call does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// Tells systemd when something changed, and only then.
#[derive(Debug, Default)]
pub struct Service {
    status: String,
}

impl Service {
    /// Start-up is over (`Type=notify`).
    pub fn ready(&self) {
        notify(&[NotifyState::Ready]);
    }

    /// The settings are being read again; [`Service::ready`] says when that is over,
    /// whatever came of it. The time lets `Type=notify-reload` tell this answer from
    /// an earlier one (systemd.service(5)).
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(error) => log::debug!("systemd was not told: {error}"),
        }
    }

    /// One line for `systemctl status`.
    pub fn status(&mut self, status: &str) {
        if self.status != status {
            status.clone_into(&mut self.status);
            notify(&[NotifyState::Status(status)]);
        }
    }

    /// Tells systemd that the daemon ends (`STOPPING=1`).
    pub fn stopping(&self) {
        notify(&[NotifyState::Stopping]);
    }

    /// Feeds the watchdog. Call it for progress made, never from a timer alone:
    /// a timer only proves that the timer runs.
    pub fn alive(&self) {
        notify(&[NotifyState::Watchdog]);
    }
}

/// How often systemd wants to hear from us (`WatchdogSec=`), if at all.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd was not told: {error}");
    }
}

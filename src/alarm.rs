//! The few log lines that are worth waking somebody: each has an id of its own in
//! systemd's journal (`MESSAGE_ID=`, systemd.journal-fields(7)), by which it is found
//! whatever its words. `docs/ref/journal.md` and `deploy/systemd/expressiond.catalog`
//! are tested against this.

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The camera cannot be opened, or stops to deliver.
    CameraLost,
    /// The picture is covered, frozen or turned away.
    CameraTampered,
    /// There was no connection to the broker for five minutes.
    BrokerLost,
    /// Events were given up: the outbox was full, or they were too old or too large.
    EventsLost,
    /// The outbox, or what was changed while running, cannot be written to disk: it is in memory
    /// only.
    StoreFailed,
    /// A model failed a check; an older one runs.
    ModelRefused,
    /// New settings are wrong; the old ones stay.
    SettingsRefused,
    /// The board is too hot, or its firmware throttles it.
    Strained,
}

impl Alarm {
    /// Each once, in the order of `docs/ref/journal.md`.
    pub const ALL: [Alarm; 8] = [
        Alarm::CameraLost,
        Alarm::CameraTampered,
        Alarm::BrokerLost,
        Alarm::EventsLost,
        Alarm::StoreFailed,
        Alarm::ModelRefused,
        Alarm::SettingsRefused,
        Alarm::Strained,
    ];

    /// The name in `docs/ref/journal.md`.
    pub const fn name(self) -> &'static str {
        match self {
            Alarm::CameraLost => "camera_lost",
            Alarm::CameraTampered => "camera_tampered",
            Alarm::BrokerLost => "broker_lost",
            Alarm::EventsLost => "events_lost",
            Alarm::StoreFailed => "store_failed",
            Alarm::ModelRefused => "model_refused",
            Alarm::SettingsRefused => "settings_refused",
            Alarm::Strained => "strained",
        }
    }

    /// `MESSAGE_ID=`, 128 bits in hexadecimal. Monitoring rules match it: it stays the
    /// same whatever the words beside it.
    pub const fn id(self) -> &'static str {
        match self {
            Alarm::CameraLost => "7b1ae81e757649478e5ae64765d3d3f1",
            Alarm::CameraTampered => "d170b6c7ead2456c85696d9e5d848f6e",
            Alarm::BrokerLost => "d7c0246ee6d44a1ca3a9ed8428d80462",
            Alarm::EventsLost => "611d1fea848e435ab24607c4c72f1e38",
            Alarm::StoreFailed => "beabd768934940edae9c5eb91ae31128",
            Alarm::ModelRefused => "a7066a4335a44d1c8e032d6625a208a6",
            Alarm::SettingsRefused => "2205f442dd4042fdb8e20bbde97068d3",
            Alarm::Strained => "c797c8e59a7047abbbd878993fd48b47",
        }
    }
}

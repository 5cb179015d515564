//! How a service's last process ended: by itself, by systemd before it was there, or by a signal.

use super::installed::Unit;
use crate::error::Kind;

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// What the command ends with.
    pub kind: Kind,
    /// In words.
    pub words: String,
    /// What to do besides reading the journal, where that is known.
    pub remedy: Option<&'static str>,
}

/// SIGKILL (signal(7)).
const KILL: u8 = 9;

/// How the unit's last process ended. Where something else ended it, the number that systemd
/// keeps may be a signal's, and is no exit code (`Result`, systemd.service(5)).
pub(super) fn end(unit: &Unit) -> End {
    let by_itself = ["", "success", "exit-code", "start-limit-hit"];
    if !by_itself.contains(&&*unit.result) {
        let signal = match (&*unit.result, unit.exit_code) {
            // With OOMPolicy=continue systemd does not tell the kernel's from anybody else's.
            ("signal", KILL) => format!(" {KILL}, as where memory is short (journalctl -k)"),
            ("signal", number) => format!(" {number}"),
            _ => String::new(),
        };
        let words = format!("it was ended: {}{signal}", unit.result);
        return End { kind: Kind::Internal, words, remedy: None };
    }
    let code = unit.exit_code;
    if SYSTEMD.contains(&code) {
        let step = STEPS.iter().find(|(number, ..)| *number == code);
        let name = step.map_or(String::new(), |(_, name, _)| format!(", {name}"));
        let words = format!("systemd could not start it ({code}{name})");
        return End { kind: Kind::Internal, words, remedy: step.map(|(.., remedy)| *remedy) };
    }
    // Of a code that several faults have the log tells which it was.
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.exit_code() == code).collect();
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let why = if names.is_empty() { String::new() } else { format!(" ({})", names.join(" or ")) };
    let kind = kinds.first().copied().unwrap_or(Kind::Internal);
    End { kind, words: format!("it ended with {code}{why}"), remedy: None }
}

/// What systemd ends a process with that it cannot prepare (systemd.exec(5), "Process Exit
/// Codes"). None of the program's own codes are among them.
const SYSTEMD: std::ops::RangeInclusive<u8> = 200..=245;
/// Those that this unit can meet, with what helps.
const STEPS: [(u8, &str, &str); 14] = [
    (200, "CHDIR", "make the folder of WorkingDirectory= in its drop-in"),
    (203, "EXEC", "install the package again, for this machine's processor"),
    (205, "LIMITS", "take the limits out of its drop-in, or let the container have them"),
    (216, "GROUP", "the group video must be there: `getent group video`"),
    (217, "USER", "make the user that its drop-in names (User=), or take that line out"),
    (218, "CAPABILITIES", CONTAINER),
    (219, "CGROUP", CONTAINER),
    (226, "NAMESPACE", NAMESPACE),
    (228, "SECCOMP", "a kernel with seccomp filters, or SystemCallFilter= empty in a drop-in"),
    (233, "RUNTIME_DIRECTORY", "make room in /run"),
    (237, "KEYRING", CONTAINER),
    (238, "STATE_DIRECTORY", STATE),
    (241, "CONFIGURATION_DIRECTORY", "/etc/expressiond must be a folder, on a disk that works"),
    (243, "CREDENTIALS", CREDENTIALS),
];
const CONTAINER: &str = "in a container: take the line that the journal names out by a drop-in";
const NAMESPACE: &str = "make the folders that a drop-in's ReadWritePaths= or BindPaths= names; a \
                         container must allow namespaces, or a drop-in switch off what needs them \
                         (PrivateUsers=no, PrivateMounts=no, ProtectSystem=no and the like)";
const STATE: &str = "make room and the disk writable; /var/lib/private must be a folder of root's, \
                     and /var/lib/expressiond the link that systemd has made, or not be there";
const CREDENTIALS: &str = "the files of LoadCredential= must be readable by root and have at most \
                           1 MiB; in a container that may not mount, a drop-in that empties \
                           LoadCredential= and a file that the settings name by its whole path";

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(result: &str, exit_code: u8) -> End {
        end(&Unit { result: result.to_owned(), exit_code, ..Unit::default() })
    }

    #[test]
    fn a_code_of_several_faults_is_told_as_each() {
        let found = ended("exit-code", 70);
        assert_eq!((&*found.words, found.kind), ("it ended with 70 (model or panic)", Kind::Model));
        assert_eq!(ended("exit-code", 78).words, "it ended with 78 (config)");
        assert_eq!(
            ended("exit-code", 3),
            End { kind: Kind::Internal, words: "it ended with 3".into(), remedy: None }
        );
    }

    #[test]
    fn what_systemd_could_not_prepare_is_not_the_program_s_fault() {
        let found = ended("exit-code", 243);
        assert_eq!(found.words, "systemd could not start it (243, CREDENTIALS)");
        assert!(found.remedy.is_some_and(|remedy| remedy.contains("LoadCredential=")));
        assert_eq!(ended("exit-code", 224).words, "systemd could not start it (224)");
        assert!(Kind::ALL.iter().all(|kind| !SYSTEMD.contains(&kind.exit_code())));
        assert!(STEPS.iter().all(|(code, ..)| SYSTEMD.contains(code)));
        assert!(STEPS.is_sorted_by_key(|(code, ..)| code));
    }

    #[test]
    fn a_signal_s_number_is_no_exit_code() {
        for (result, number) in [("oom-kill", 9), ("core-dump", 11), ("watchdog", 6)] {
            let found = ended(result, number);
            assert_eq!(
                (found.kind, &*found.words),
                (Kind::Internal, &*format!("it was ended: {result}"))
            );
        }
        for (number, words) in [(9, "signal 9, as where memory is short"), (11, "signal 11")] {
            let found = ended("signal", number);
            assert!(found.words.starts_with(&format!("it was ended: {words}")), "{found:?}");
        }
        for result in ["exit-code", "start-limit-hit"] {
            assert_eq!(ended(result, 78).kind, Kind::Config, "{result}");
        }
    }
}

//! What dpkg knows of our package: deb(5), dpkg(1), "Package states".

use std::fs;
use std::path::Path;

/// The package that holds this program.
const NAME: &str = "expressiond";

/// Where dpkg keeps its list of packages.
const STATUS: &str = "/var/lib/dpkg/status";

/// Our package on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// With Debian's revision.
    pub version: String,
    /// Why its installation did not come to its end; none where it did.
    pub unfinished: Option<String>,
}

impl Package {
    /// None where this program came otherwise, or no dpkg is here.
    pub(crate) fn on_this_machine() -> Option<Self> {
        let ours = std::env::current_exe().is_ok_and(|program| program.starts_with("/usr/bin"));
        let list = ours.then(|| fs::read_to_string(Path::new(STATUS)).ok()).flatten()?;
        Self::listed(&list)
    }

    /// From dpkg's list: paragraphs of fields, of which continued lines begin with a blank.
    fn listed(list: &str) -> Option<Self> {
        let mut paragraphs = list.split("\n\n");
        let own = |paragraph: &&str| {
            paragraph.lines().any(|line| line.strip_prefix("Package: ") == Some(NAME))
        };
        let paragraph = paragraphs.find(own)?;
        let field = |name: &str| {
            let mut lines = paragraph.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        // What is wanted, an error flag, and the state.
        let mut status = field("Status")?.split_whitespace();
        let (_, flag, state) = (status.next()?, status.next()?, status.next()?);
        let unfinished = match (flag, state) {
            ("ok", "installed") => None,
            // Removed, or never there: dpkg remembers settings files.
            (_, "not-installed" | "config-files") => return None,
            _ => {
                Some(format!("dpkg left it {state}: dpkg --configure -a, then apt-get -f install"))
            }
        };
        Some(Self { version: field("Version")?.to_owned(), unfinished })
    }

    /// Whether `program`, a version without a revision, is of this package.
    pub(crate) fn holds(&self, program: &str) -> bool {
        // Debian's version: [epoch:]upstream[-revision], where `~` stands for SemVer's `-`.
        let upstream = self.version.split_once(':').map_or(&*self.version, |(_, rest)| rest);
        let upstream = upstream.rsplit_once('-').map_or(upstream, |(upstream, _)| upstream);
        upstream.replace('~', "-") == program
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHERS: &str =
        "Package: expressiond-model-x\nStatus: install ok installed\nVersion: 9\n\n";

    fn listed(status: &str) -> Option<Package> {
        let own = format!(
            "{OTHERS}Package: expressiond\nStatus: {status}\nDescription: a\n b\nVersion: 0.2.0-1\n"
        );
        Package::listed(&own)
    }

    #[test]
    fn a_package_is_there_unfinished_or_gone() {
        let there = Package { version: "0.2.0-1".into(), unfinished: None };
        assert_eq!(listed("install ok installed"), Some(there));
        for status in ["install ok half-configured", "install reinstreq half-installed"] {
            let package = listed(status).expect("there");
            let state = status.rsplit(' ').next().expect("a state");
            assert!(package.unfinished.expect("unfinished").contains(state));
        }
        assert_eq!(listed("deinstall ok config-files"), None);
        assert_eq!((Package::listed(OTHERS), Package::listed("")), (None, None));
    }

    #[test]
    fn a_program_is_known_by_its_version() {
        for (version, program, same) in [
            ("0.2.0-1", "0.2.0", true),
            ("1:0.2.0-1", "0.2.0", true),
            ("0.2.0", "0.2.0", true),
            ("0.2.0~rc1-1", "0.2.0-rc1", true),
            ("0.2.1-1", "0.2.0", false),
        ] {
            let package = Package { version: version.into(), unfinished: None };
            assert_eq!(package.holds(program), same, "{version}");
        }
    }
}

//! Which secrets systemd hands over to a unit and where it takes them from, read from the
//! unit's text (systemd.exec(5), "Credentials").

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::escapes;

/// Where systemd looks for a credential that has a name and no path: what it was given itself,
/// then its folders (systemd.exec(5); exec-credential.c has the order).
const STORES: [&str; 5] = [
    "/run/credentials/@system",
    "/etc/credstore",
    "/run/credstore",
    "/usr/local/lib/credstore",
    "/usr/lib/credstore",
];

/// The one of them that is its owner's, for a file that is in none.
const STORE: &str = "/etc/credstore";

/// What hands credentials over to one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HandedOver {
    loaded: Vec<Loaded>,
    /// `ImportCredential=`: a name, or how names begin, with `*` behind it.
    imported: Vec<String>,
    /// Names that stand in the unit with their values.
    set: Vec<String>,
}

/// A line `LoadCredential=` or `LoadCredentialEncrypted=`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Loaded {
    id: String,
    encrypted: bool,
    /// None where a specifier in it is not known here.
    path: Option<String>,
}

/// Where a credential comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file that root can read.
    File(PathBuf),
    /// What cannot be read from outside of the service: why not.
    Hidden(&'static str),
}

const ENCRYPTED: &str = "systemd alone decrypts it (LoadCredentialEncrypted=)";
const IMPORTED: &str = "systemd looks for it (ImportCredential=)";
const SET: &str = "its value stands in the unit (SetCredential= or SetCredentialEncrypted=)";
const SOCKET: &str = "it comes through a socket";
const SPECIFIER: &str = "its path has a specifier that is not known here (systemd.unit(5))";

impl HandedOver {
    /// What the text of the unit called `unit`, its drop-ins included, says. An empty line drops
    /// all lines of its kind before it; of two lines with one name the later counts.
    pub(crate) fn of(text: &str, unit: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once('=') else { continue };
            let (key, value) = (key.trim(), value.trim());
            let (id, rest) = match value.split_once(':') {
                Some((id, rest)) => (id, Some(rest)),
                None => (value, None),
            };
            let Some(id) = expanded(id, unit) else { continue };
            match key {
                "LoadCredential" | "LoadCredentialEncrypted" if value.is_empty() => {
                    found.loaded.clear();
                }
                "LoadCredential" | "LoadCredentialEncrypted" => {
                    found.loaded.retain(|known| known.id != id);
                    let path = rest.map_or(Some(id.clone()), |path| expanded(path, unit));
                    let encrypted = key != "LoadCredential";
                    found.loaded.push(Loaded { id, encrypted, path });
                }
                "ImportCredential" if value.is_empty() => found.imported.clear(),
                "ImportCredential" => found.imported.push(match rest {
                    Some(new) if id.ends_with('*') => format!("{new}*"),
                    new => new.map_or(id, str::to_owned),
                }),
                "SetCredential" | "SetCredentialEncrypted" if value.is_empty() => found.set.clear(),
                "SetCredential" | "SetCredentialEncrypted" => found.set.push(id),
                _ => {}
            }
        }
        found
    }

    /// Where the credential `name` comes from; none where nothing hands it over.
    pub(crate) fn origin(&self, name: &str) -> Option<Origin> {
        self.origin_in(name, &STORES.map(Path::new))
    }

    /// As systemd does: what is loaded comes first, and where that is missing what is imported,
    /// then what stands in the unit.
    fn origin_in(&self, name: &str, stores: &[&Path]) -> Option<Origin> {
        let loaded = self.loaded.iter().find_map(|line| line.origin(name, stores));
        let missing = match loaded {
            Some(Origin::File(path)) if path.try_exists().is_ok_and(|there| !there) => Some(path),
            Some(origin) => return Some(origin),
            None => None,
        };
        let is_it = |pattern: &String| match pattern.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => pattern == name,
        };
        if self.imported.iter().any(is_it) {
            return Some(stored(name, stores).map_or(Origin::Hidden(IMPORTED), Origin::File));
        }
        if self.set.iter().any(|id| id == name) {
            return Some(Origin::Hidden(SET));
        }
        missing.map(Origin::File)
    }
}

impl Loaded {
    /// Where `name` comes from by this line. Of a folder each file is a credential of its own,
    /// its name behind that of the line.
    fn origin(&self, name: &str, stores: &[&Path]) -> Option<Origin> {
        let inside = name.strip_prefix(&*self.id)?;
        let path = match self.path.as_deref() {
            Some(path) if path.starts_with('/') => path.into(),
            Some(name) => stored(name, stores).unwrap_or_else(|| Path::new(STORE).join(name)),
            None => return inside.is_empty().then_some(Origin::Hidden(SPECIFIER)),
        };
        let path = match inside.strip_prefix('_') {
            Some(file) if path.is_dir() => path.join(file),
            None if inside.is_empty() => path,
            _ => return None,
        };
        let is_socket = fs::metadata(&path).is_ok_and(|file| file.file_type().is_socket());
        Some(match () {
            () if self.encrypted => Origin::Hidden(ENCRYPTED),
            () if is_socket => Origin::Hidden(SOCKET),
            () => Origin::File(path),
        })
    }
}

/// The file of this name in the first of `stores` that has it, or else in the first of which this
/// user cannot tell.
fn stored(name: &str, stores: &[&Path]) -> Option<PathBuf> {
    let files = || stores.iter().map(|store| store.join(name));
    let there = files().find(|file| file.try_exists().is_ok_and(|there| there));
    there.or_else(|| files().find(|file| file.try_exists().is_err()))
}

/// `text` with its specifiers as they are for `unit` (systemd.unit(5), "Specifiers"): those of its
/// name and of the folders. None where there is another.
fn expanded(text: &str, unit: &str) -> Option<String> {
    let whole = unit.rsplit_once('.').map_or(unit, |(whole, _)| whole);
    let (prefix, instance) = whole.split_once('@').unwrap_or((whole, ""));
    let last = prefix.rsplit('-').next().unwrap_or(prefix);
    let mut pieces = text.split('%');
    let mut expanded = pieces.next().unwrap_or_default().to_owned();
    while let Some(piece) = pieces.next() {
        let mut letters = piece.chars();
        match letters.next() {
            // Two signs stand for one; no specifier begins behind them.
            None => {
                expanded.push('%');
                expanded += pieces.next()?;
                continue;
            }
            Some('n') => expanded += unit,
            Some('N') => expanded += whole,
            Some('p') => expanded += prefix,
            Some('P') => expanded += &unescaped(prefix)?,
            Some('i') => expanded += instance,
            Some('I') => expanded += &unescaped(instance)?,
            Some('j') => expanded += last,
            Some('J') => expanded += &unescaped(last)?,
            Some('E') => expanded += "/etc",
            Some('S') => expanded += "/var/lib",
            Some('C') => expanded += "/var/cache",
            Some('L') => expanded += "/var/log",
            Some('t') => expanded += "/run",
            Some('T') => expanded += "/tmp",
            Some('V') => expanded += "/var/tmp",
            Some(_) => return None,
        }
        expanded += letters.as_str();
    }
    Some(expanded)
}

/// A part of a unit's name as it was before it was escaped (systemd.unit(5), "String Escaping for
/// Inclusion in Unit Names").
fn unescaped(part: &str) -> Option<String> {
    let coded = |code: &[u8; 3]| escapes::number(code.strip_prefix(b"x")?, 16);
    String::from_utf8(escapes::unescaped(&part.replace('-', "/"), coded)).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    const DOOR: &str = "expressiond@door.service";

    fn file(path: impl Into<PathBuf>) -> Option<Origin> {
        Some(Origin::File(path.into()))
    }

    /// The lines of the man page, the guide and the unit, which are for every instance.
    #[test]
    fn a_drop_in_for_all_instances_is_read_for_one() {
        let line = "LoadCredential=mqtt-password:expressiond-%i-password";
        for page in [
            include_str!("../../deploy/man/expressiond.1").replace("\\-", "-"),
            include_str!("../../docs/guide/fleet.md").to_owned(),
            include_str!("../../deploy/systemd/expressiond@.service").to_owned(),
        ] {
            assert!(page.contains(line), "{page}");
        }
        let unit = format!(
            "[Service]\nLoadCredential=mqtt-password:expressiond-mqtt-password\n\
             # /etc/systemd/system/expressiond@.service.d/password.conf\n[Service]\n{line}\n"
        );
        let handed_over = HandedOver::of(&unit, DOOR);
        let expected = file("/etc/credstore/expressiond-door-password");
        assert_eq!(handed_over.origin_in("mqtt-password", &[]), expected);
    }

    #[test]
    fn specifiers_are_those_of_the_unit_s_name() {
        for (text, expected) in [
            ("%n %N %p %i %j", Some(r"a-b@x\x2d1-y.service a-b@x\x2d1-y a-b x\x2d1-y b")),
            ("%P/%I/%J", Some("a/b/x-1/y/b")),
            ("%%i %%%i%%", Some(r"%i %x\x2d1-y%")),
            ("%E/a %S %t/b", Some("/etc/a /var/lib /run/b")),
            ("none", Some("none")),
            ("%m", None),
            ("%", None),
        ] {
            assert_eq!(expanded(text, r"a-b@x\x2d1-y.service").as_deref(), expected, "{text}");
        }
        assert_eq!(expanded("%p-%i", "expressiond.service").as_deref(), Some("expressiond-"));
        let unknown = HandedOver::of("LoadCredential=a:/%m\n", DOOR);
        assert_eq!(unknown.origin_in("a", &[]), Some(Origin::Hidden(SPECIFIER)));
    }

    #[test]
    fn of_lines_for_one_name_the_later_counts_and_an_empty_one_drops_all() {
        let of = |text: &str, name: &str| HandedOver::of(text, DOOR).origin_in(name, &[]);
        let twice = "LoadCredential=a:b\nLoadCredential = a:/c\nLoadCredential=d\n";
        assert_eq!((of(twice, "a"), of(twice, "d")), (file("/c"), file("/etc/credstore/d")));
        let emptied = "LoadCredentialEncrypted=a\nLoadCredential=\nLoadCredential=b\n\
                       SetCredential=c:x\nSetCredential=\nImportCredential=d*\nImportCredential=\n";
        assert_eq!(of(emptied, "b"), file("/etc/credstore/b"));
        assert_eq!(["a", "c", "d", ""].map(|name| of(emptied, name)), [None, None, None, None]);
    }

    #[test]
    fn what_cannot_be_read_from_here_says_why() {
        let text = "LoadCredentialEncrypted=a:/a.cred\nSetCredential=b:x:y\n\
                    SetCredentialEncrypted=c: \\\n    Whxqht+dQJax1aZeCGLxm\nImportCredential=d.*\n\
                    ImportCredential=e\nImportCredential=f.*:g.\nLoadCredential=b:/absent\n";
        let handed_over = HandedOver::of(text, DOOR);
        for (name, why) in [
            ("a", Some(ENCRYPTED)),
            ("b", Some(SET)),
            ("c", Some(SET)),
            ("d.key", Some(IMPORTED)),
            ("e", Some(IMPORTED)),
            ("e.key", None),
            ("f.key", None),
            ("g.key", Some(IMPORTED)),
        ] {
            assert_eq!(handed_over.origin_in(name, &[]), why.map(Origin::Hidden), "{name}");
        }
    }

    #[test]
    fn the_first_store_that_has_it_counts() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let stores = ["system", "etc", "usr"].map(|name| folder.path().join(name));
        stores.iter().for_each(|store| fs::create_dir(store).expect("made"));
        let [system, etc, usr] = &stores;
        let handed_over = HandedOver::of("LoadCredential=a\nImportCredential=b\n", DOOR);
        let paths = [system, etc, usr].map(PathBuf::as_path);
        let origin = |name| handed_over.origin_in(name, &paths);
        assert_eq!(origin("a"), file("/etc/credstore/a"));
        for store in [usr, etc, system] {
            fs::write(store.join("a"), "").expect("written");
            assert_eq!(origin("a"), file(store.join("a")));
        }
        assert_eq!(origin("b"), Some(Origin::Hidden(IMPORTED)));
        fs::write(usr.join("b"), "").expect("written");
        assert_eq!(origin("b"), file(usr.join("b")));
    }

    #[test]
    fn a_folder_hands_over_its_files_and_a_socket_nothing_that_is_seen() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (shown, socket) = (folder.path().display(), folder.path().join("socket"));
        let _listener = UnixListener::bind(&socket).expect("bound");
        let text = format!("LoadCredential=a:{shown}\nLoadCredential=b:{}\n", socket.display());
        let handed_over = HandedOver::of(&text, DOOR);
        assert_eq!(handed_over.origin_in("a_key", &[]), file(folder.path().join("key")));
        assert_eq!(handed_over.origin_in("b", &[]), Some(Origin::Hidden(SOCKET)));
        assert_eq!(handed_over.origin_in("b_key", &[]), None);
    }
}

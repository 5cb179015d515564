//! Files that hold secrets and certificates: named in the settings, never their
//! content on a command line, in a log or in a status.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::protocol::MOST_TEXT;

/// Where such files are looked for.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// systemd's `$CREDENTIALS_DIRECTORY` (systemd.exec(5), `LoadCredential=`).
    pub folder: Option<PathBuf>,
}

/// A file that could not be read; names the setting, not the content.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {} ({key}): {source}", path.display())]
pub struct Unreadable {
    /// The setting that names the file.
    pub key: &'static str,
    /// Where it was looked for.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl Credentials {
    /// With the folder that systemd gave this process, if any.
    pub fn of_the_environment() -> Self {
        Self { folder: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from) }
    }

    /// A relative name is taken from systemd's folder when it is there.
    pub fn path(&self, name: &str) -> PathBuf {
        let plain = Path::new(name);
        match &self.folder {
            Some(folder) if plain.is_relative() && folder.join(plain).exists() => {
                folder.join(plain)
            }
            _ => plain.to_owned(),
        }
    }

    /// The text of the file that the setting `key` names, without a byte order mark before
    /// it and without blanks and line ends after it, which editors add unseen; `None` when
    /// it names none.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is not UTF-8.
    pub fn secret(&self, key: &'static str, name: &str) -> Result<Option<String>, Unreadable> {
        if name.is_empty() {
            return Ok(None);
        }
        let path = self.path(name);
        let text = fs::read(&path).and_then(|bytes| {
            let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
            let text = std::str::from_utf8(without_mark(&bytes)).map(str::trim_end);
            let text = text.map_err(|_| wrong("it is not UTF-8: save it as such"))?;
            if text.len() > MOST_TEXT {
                return Err(wrong("it is longer than MQTT can send: is it the right file?"));
            }
            Ok(text.to_owned())
        });
        text.map(Some).map_err(|error| {
            let source = self.explained(&path, error);
            Unreadable { key, path, source }
        })
    }

    /// Whether the file at `path` has a name that systemd alone could lead to a file, and this
    /// process has no folder of its.
    pub(crate) fn wants_systemd(&self, path: &Path) -> bool {
        path.is_relative() && self.folder.is_none()
    }

    /// Why the file at `path` cannot be read, where systemd should have handed it over and has
    /// given this process no folder (systemd.exec(5), `$CREDENTIALS_DIRECTORY`).
    pub(crate) fn explained(&self, path: &Path, error: io::Error) -> io::Error {
        if !self.wants_systemd(path) || error.kind() != io::ErrorKind::NotFound {
            return error;
        }
        io::Error::new(
            error.kind(),
            format!(
                "{error}; systemd handed over no credentials: it was started by hand, or a drop-in \
                 empties LoadCredential= (name the file by its whole path)"
            ),
        )
    }
}

/// UTF-8's byte order mark (RFC 3629, 6), which some editors put before every text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Text without the mark that it may begin with.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_s_folder_comes_first_for_a_relative_name() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("mqtt-password"), "secret\r\n").expect("write");
        let credentials = Credentials { folder: Some(folder.path().to_owned()) };
        let read = |name: &str| credentials.secret("mqtt.password_file", name);
        assert_eq!(read("mqtt-password").expect("readable").as_deref(), Some("secret"));
        assert_eq!(read("").expect("none").as_deref(), None);
        for (bytes, expected) in [
            (&b"\xef\xbb\xbfsecret"[..], "secret"),
            (b"secret \t\n\n", "secret"),
            (b" two words\n", " two words"),
        ] {
            fs::write(folder.path().join("mqtt-password"), bytes).expect("write");
            assert_eq!(read("mqtt-password").expect("readable").as_deref(), Some(expected));
        }
        fs::write(folder.path().join("mqtt-password"), b"\xff\xfes\0").expect("write");
        let error = read("mqtt-password").expect_err("UTF-16").to_string();
        assert!(error.contains("UTF-8"), "{error}");
        fs::write(folder.path().join("mqtt-password"), "x".repeat(70_000)).expect("write");
        let error = read("mqtt-password").expect_err("too long").to_string();
        assert!(error.contains("mqtt.password_file"), "{error}");
        assert_eq!(credentials.path("absent"), Path::new("absent"));
        let error = read("absent").expect_err("absent").to_string();
        assert!(!error.contains("LoadCredential="), "{error}");
        let by_hand = Credentials::default();
        let error = by_hand.secret("mqtt.password_file", "absent").expect_err("absent").to_string();
        assert!(error.contains("handed over no credentials"), "{error}");
        let error =
            by_hand.secret("mqtt.password_file", "/absent").expect_err("absent").to_string();
        assert!(!error.contains("LoadCredential="), "{error}");
        let absent = folder.path().join("absent").display().to_string();
        let error = read(&absent).expect_err("absent").to_string();
        assert!(error.contains("mqtt.password_file") && error.contains(&absent), "{error}");
    }
}

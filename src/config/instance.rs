//! Names of instances as systemd writes them.
//!
//! In the name of a unit every byte but letters of ASCII, digits and `:-_.@\` is written as `\xNN`
//! (systemd.unit(5), "String Escaping for Inclusion in Unit Names"): udev has cameras whose names
//! have `®`, `+` or `=`. `%i` hands that on as it is; `%I` would make `/` of `-` besides.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::escapes;

/// The settings file of an instance in the folder `conf.d`, whose name may be written either way.
///
/// # Errors
///
/// That is no name.
pub(super) fn file(folder: &Path, name: &str) -> Result<PathBuf> {
    if name.is_empty() || name.contains(['/', '\0']) {
        let why = "it must be a name, not empty and without '/': conf.d/NAME.toml is read";
        return Err(Error::new(Kind::Config, format!("--instance {name:?}: {why}")));
    }
    let literal = folder.join(format!("{name}.toml"));
    if literal.symlink_metadata().is_ok() {
        return Ok(literal);
    }
    Ok(folder.join(format!("{}.toml", plain(name))))
}

/// The name without `\xNN`; as it is where that would be no name of a file in UTF-8.
pub(crate) fn plain(name: &str) -> String {
    // A file's name has neither `/` nor zero.
    let coded = |code: &[u8; 3]| {
        let byte = escapes::number(code.strip_prefix(b"x")?, 16)?;
        (![0, b'/'].contains(&byte)).then_some(byte)
    };
    String::from_utf8(escapes::unescaped(name, coded)).unwrap_or_else(|_| name.to_owned())
}

/// The name as it stands in the name of a unit, whether or not it is written so already.
pub(crate) fn in_unit(name: &str) -> String {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.@\\".contains(&byte);
    let piece = |byte: u8| match stays(byte) {
        true => char::from(byte).to_string(),
        false => format!("\\x{byte:02x}"),
    };
    name.bytes().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_systemd_escapes_are_those_of_the_camera_s_name() {
        for (escaped, name) in [
            (r"046d_Cam\xc2\xae_C\x2b\x3d1", "046d_Cam®_C+=1"),
            ("pci-0000:01:00.0-usb-0:1.3:1.0", "pci-0000:01:00.0-usb-0:1.3:1.0"),
            ("door", "door"),
        ] {
            assert_eq!(plain(escaped), name);
            assert_eq!(in_unit(name), escaped);
            assert_eq!((plain(name), in_unit(escaped)), (name.to_owned(), escaped.to_owned()));
        }
        assert_eq!(plain(r"front\x2ddoor"), "front-door");
        for other in [r"a\xc2", r"\x2fetc", r"a\x00", r"a\xg0", r"a\x+1", r"a\x2", r"a\n", "\\"] {
            assert_eq!(plain(other), other, "no name of a file");
        }
    }

    #[test]
    fn what_is_no_name_is_no_path_either() {
        for name in ["", "../x", "/etc/x", "a/b", "\0"] {
            let error = file(Path::new("conf.d"), name).expect_err("refused").to_string();
            assert!(error.contains("--instance") && error.contains("a name"), "{error}");
        }
    }

    #[test]
    fn the_file_s_name_may_be_written_either_way() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (escaped, named) = (r"Cam\xc2\xae", folder.path().join("Cam®.toml"));
        let file = |name| file(folder.path(), name).expect("a name");
        assert_eq!(file(escaped), named, "it is missing by its own name");
        let literal = folder.path().join(format!("{escaped}.toml"));
        std::fs::write(&literal, "").expect("written");
        assert_eq!(file(escaped), literal);
        assert_eq!(file("Cam®"), named);
    }
}

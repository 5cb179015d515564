//! Which model is used where none is named: the newest of its name, among the one
//! that came with the program and those that packages brought.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use semver::Version;

use super::Settings;
use super::sidecar::SideCar;

/// Where a model may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelOrigin {
    /// With the program, or named by its owner.
    Own,
    /// From a package of its own, which has to be signed.
    Package,
}

/// A model that may be taken; nothing of it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelFile {
    pub path: PathBuf,
    pub origin: ModelOrigin,
    /// Unknown where the side-car cannot be read, or a package's folder has none in its name.
    version: Option<Version>,
}

impl ModelFile {
    /// The one that `model.path` names.
    pub(super) fn named(path: &Path) -> Self {
        Self { path: path.to_owned(), origin: ModelOrigin::Own, version: None }
    }
}

/// The models called `settings.name`, newest first; of equal versions the program's own.
/// Packages without a version come before: no check lets them pass, and only what is
/// checked is told as refused.
pub(super) fn entries(settings: &Settings) -> Vec<ModelFile> {
    let mut entries: Vec<ModelFile> = own(&settings.name).into_iter().collect();
    entries.extend(packaged(settings));
    let misnamed =
        |entry: &ModelFile| entry.origin == ModelOrigin::Package && entry.version.is_none();
    entries.sort_by_key(|entry| (!misnamed(entry), Reverse(entry.version.clone())));
    entries
}

/// The models called `name` in just that version: beside the file that `model.path` names,
/// else where the model itself was looked for.
pub(super) fn companions(settings: &Settings, name: &str, version: &str) -> Vec<ModelFile> {
    let Ok(version) = Version::parse(version) else { return Vec::new() };
    let all = if settings.path.as_os_str().is_empty() {
        entries(&Settings { name: name.to_owned(), ..settings.clone() })
    } else {
        let beside = settings.path.with_file_name(format!("{name}.tflite"));
        at(beside).into_iter().collect()
    };
    all.into_iter().filter(|entry| entry.version.as_ref() == Some(&version)).collect()
}

/// Where models that come with the program stand: where it was installed with them. A program
/// that was built looks in its sources, if it runs there, and where packages put them. In another
/// folder a `models` may be anybody's.
pub(super) fn folders() -> Vec<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let installed = program.parent().unwrap_or(Path::new("")).join("../share/expressiond/models");
    if installed.is_dir() {
        return vec![installed];
    }
    let sources = Path::new("Cargo.toml").exists().then(|| "models".into());
    sources.into_iter().chain(["/usr/share/expressiond/models".into()]).collect()
}

fn own(name: &str) -> Option<ModelFile> {
    folders().into_iter().map(|folder| folder.join(format!("{name}.tflite"))).find_map(at)
}

/// The model in a file, if it is there.
fn at(path: PathBuf) -> Option<ModelFile> {
    if !path.exists() {
        return None;
    }
    let text = std::fs::read_to_string(SideCar::path_of(&path)).ok();
    let card = text.and_then(|text| SideCar::parse(&text).ok());
    let version = card.and_then(|card| Version::parse(&card.version).ok());
    Some(ModelFile { path, origin: ModelOrigin::Own, version })
}

/// `<packages>/<name>-<version>/<name>.tflite`. The version is that of the folder, which
/// the side-car must repeat: nothing inside is read before its signature is checked.
fn packaged(settings: &Settings) -> impl Iterator<Item = ModelFile> {
    let folders = std::fs::read_dir(&settings.packages).into_iter().flatten().flatten();
    folders.filter_map(|folder| {
        let version = folder.file_name();
        let version = version.to_str()?.strip_prefix(&settings.name)?.strip_prefix('-')?;
        let version = Version::parse(version).ok();
        let path = folder.path().join(format!("{}.tflite", settings.name));
        // Without its model, what follows is the rest of a longer name: a-lite-1.0.0 is no
        // version of a.
        let ours = version.is_some() || path.exists();
        ours.then_some(ModelFile { path, origin: ModelOrigin::Package, version })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first_and_other_names_do_not_come() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["m-0.9.0", "m-0.10.0", "m-0.10.0-rc.1", "m-lite-3.0.0", "m", "m-x", "n-9.0.0"]
        {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::create_dir(folder.path().join("m-1.2")).unwrap();
        std::fs::write(folder.path().join("m-1.2/m.tflite"), "").unwrap();
        std::fs::write(folder.path().join("m-lite-3.0.0/m-lite.tflite"), "").unwrap();
        let packages = folder.path().to_owned();
        let settings = Settings { name: "m".to_owned(), packages, ..Settings::default() };
        let found = entries(&settings).into_iter().map(|entry| entry.path);
        let wanted = ["m-1.2", "m-0.10.0", "m-0.10.0-rc.1", "m-0.9.0"];
        let wanted = wanted.map(|name| folder.path().join(name).join("m.tflite"));
        assert_eq!(found.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn of_equal_versions_the_own_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let card = std::fs::read_to_string("models/expression-yolo12n.json").unwrap();
        let version = SideCar::parse(&card).unwrap().version;
        for version in [&*version, "99.0.0", "0.0.1"] {
            let name = format!("expression-yolo12n-{version}");
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let settings = Settings { packages: folder.path().to_owned(), ..Settings::default() };
        let found: Vec<ModelOrigin> = entries(&settings).iter().map(|entry| entry.origin).collect();
        assert_eq!(
            found,
            [ModelOrigin::Package, ModelOrigin::Own, ModelOrigin::Package, ModelOrigin::Package]
        );
    }
}

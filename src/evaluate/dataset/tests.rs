use super::*;
use std::os::unix::fs::symlink;

#[test]
fn classes_are_the_models_in_any_order_and_word() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let models = names(&["happy", "not_happy"]);
    for (own, places) in [
        (vec!["happy", "not_happy"], Some(vec![0, 1])),
        (vec!["Not_Happy", "HAPPY"], Some(vec![1, 0])),
        (vec!["happy"], None),
        (vec!["happy", "happy"], None),
        (vec!["happy", "not_happy", "happy"], None),
        (vec!["happy", "sad"], None),
    ] {
        assert_eq!(mapped(&names(&own), &models), places, "{own:?}");
    }
    let seven = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "anger"];
    let own = ["neutral", "joy", "sadness", "surprised", "fearful", "disgusted", "angry"];
    assert_eq!(mapped(&names(&own), &names(&seven)), Some((0..7).collect()));
    assert!(remedy(&names(&seven), &models).contains("--groups happy,not_happy"));
    assert_eq!(remedy(&names(&["cat", "dog"]), &models), "");
}

/// A set whose pictures are empty files, each with a label file.
fn set(yaml: &str, pictures: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data.yaml"), format!("{yaml}\nnames: [a]\n")).unwrap();
    for picture in pictures {
        let path = folder.path().join(picture);
        for file in [path.clone(), label_file(&path)] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
    }
    folder
}

fn opened(folder: &Path) -> Result<(Vec<String>, Vec<String>), String> {
    let yaml = folder.join("data.yaml");
    let data = DataSet::open(&yaml, "val", &["a".to_owned()]).map_err(|e| e.to_string())?;
    let relative = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
    let pictures = data.pictures.iter().map(|path| relative(path)).collect();
    Ok((pictures, data.left_out.iter().map(|file| relative(&file.file)).collect()))
}

#[test]
fn places_are_found_as_the_programs_that_wrote_them_meant() {
    for (yaml, place) in [
        ("val: images/val", "images/val"),
        ("val: ../valid/images", "valid/images"),
        ("val: ..\\valid\\images", "valid/images"),
        ("path: set\nval: images/val", "set/images/val"),
        ("path: /content/gone\nval: images/val", "images/val"),
        ("path: ../datasets/gone\nval: images", "images"),
        ("val: pictures", "pictures"),
    ] {
        let picture = format!("{place}/a.jpg");
        let folder = set(yaml, &[&picture]);
        assert_eq!(opened(folder.path()).unwrap().0, [picture], "{yaml}");
    }
    let folder = set("val: images/val", &["images/train/a.jpg"]);
    let reason = opened(folder.path()).unwrap_err();
    assert!(reason.contains("there is no") && reason.contains("images/val"), "{reason}");
}

#[test]
fn lists_name_pictures_from_their_own_folder_or_the_sets() {
    let folder =
        set("val: [lists/val.txt, one/c.JPG, images]", &["images/a.jpg", "b.jpg", "one/c.JPG"]);
    std::fs::create_dir(folder.path().join("lists")).unwrap();
    let list = "\u{feff}../images/a.jpg\r\n\r\nb.jpg\r\n./b.jpg\r\ngone.jpg\r\n";
    std::fs::write(folder.path().join("lists/val.txt"), list).unwrap();
    let (pictures, left_out) = opened(folder.path()).unwrap();
    assert_eq!(pictures, ["b.jpg", "images/a.jpg", "one/c.JPG"]);
    assert_eq!(left_out, ["lists/gone.jpg"]);
    // a list that was made elsewhere
    std::fs::write(folder.path().join("data.yaml"), "val: lists/val.txt\nnames: [a]").unwrap();
    let list = "/content/data/images/a.jpg\n/content/data/images/b.jpg\n";
    std::fs::write(folder.path().join("lists/val.txt"), list).unwrap();
    let reason = opened(folder.path()).unwrap_err();
    let words = "no pictures in lists/val.txt: 2 files left out, first /content/data/images/a.jpg: \
                 listed in";
    assert!(reason.contains(words), "{reason}");
}

#[test]
fn a_relative_folder_and_an_absolute_list_name_a_picture_once() {
    let folder = set("val: [images, val.txt]", &["images/a.jpg"]);
    let picture = folder.path().join("images/a.jpg").display().to_string();
    std::fs::write(folder.path().join("val.txt"), picture).unwrap();
    let here = std::env::current_dir().unwrap();
    let root: PathBuf = here.components().skip(1).map(|_| Component::ParentDir).collect();
    let yaml = root.join(folder.path().strip_prefix("/").unwrap()).join("data.yaml");
    let data = DataSet::open(&yaml, "val", &["a".to_owned()]).unwrap();
    assert_eq!(data.pictures.len(), 1, "{:?}", data.pictures);
}

#[test]
fn folders_are_walked_and_what_is_no_picture_is_passed_over_or_named() {
    let folder = set("val: images", &["images/a.jpg", "images/x/y/b.png", "images/c.webp"]);
    let images = folder.path().join("images");
    for other in ["._a.jpg", ".DS_Store", "Thumbs.db", "notes.txt"] {
        std::fs::write(images.join(other), "").unwrap();
    }
    std::fs::create_dir(images.join("__MACOSX")).unwrap();
    std::fs::write(images.join("__MACOSX/a.jpg"), "").unwrap();
    symlink("..", images.join("x/circle")).unwrap();
    let (pictures, left_out) = opened(folder.path()).unwrap();
    assert_eq!(pictures, ["images/a.jpg", "images/c.webp", "images/x/y/b.png"]);
    let data = DataSet::open(&folder.path().join("data.yaml"), "val", &["a".to_owned()]).unwrap();
    let names: Vec<String> = data.pictures.iter().map(|picture| data.name(picture)).collect();
    assert_eq!(names, pictures);
    assert_eq!(left_out, ["images/._a.jpg"]);
}

/// Whichever of the two the disk names first: only beside the folder are there labels.
#[test]
fn a_folder_is_entered_under_its_own_name_before_a_link_to_it() {
    let picture = "images/2024/a.jpg";
    let folder = set("val: images", &[picture]);
    let images = folder.path().join("images");
    for link in ["0-latest", "latest"] {
        symlink("2024", images.join(link)).unwrap();
    }
    // Also where the link is met in a folder that is entered sooner.
    std::fs::create_dir(images.join("3000")).unwrap();
    symlink("../2024", images.join("3000/again")).unwrap();
    assert_eq!(opened(folder.path()).unwrap().0, [picture]);
}

#[test]
fn labels_beside_the_pictures_are_found_and_none_at_all_is_an_error() {
    let folder = set("val: images", &["images/a.jpg"]);
    std::fs::rename(folder.path().join("labels/a.txt"), folder.path().join("images/a.txt"))
        .unwrap();
    assert_eq!(opened(folder.path()).unwrap().0, ["images/a.jpg"]);
    std::fs::remove_file(folder.path().join("images/a.txt")).unwrap();
    let reason = opened(folder.path()).unwrap_err();
    assert!(reason.contains("has labels") && reason.contains("labels/a.txt"), "{reason}");
    std::fs::remove_file(folder.path().join("images/a.jpg")).unwrap();
    let reason = opened(folder.path()).unwrap_err();
    assert!(reason.contains("no pictures in images"), "{reason}");
}

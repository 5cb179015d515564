//! What the names of classes mean, as data sets write them, and the groups that follow
//! from it for every model.

use crate::detector::classes::same;

/// What is meant, and the words for it.
const WORDS: [(&str, &[&str]); 9] = [
    ("happy", &["happy", "happiness", "smile", "smiling", "joy"]),
    ("neutral", &["neutral", "natural", "calm"]),
    ("sad", &["sad", "sadness"]),
    ("surprise", &["surprise", "surprised"]),
    ("fear", &["fear", "fearful", "afraid", "scared"]),
    ("disgust", &["disgust", "disgusted"]),
    ("anger", &["anger", "angry"]),
    ("contempt", &["contempt"]),
    ("sleepy", &["sleepy", "tired"]),
];

/// Each group and what is in it. A surprise may be either, so it is with the neutral ones.
const GROUPS: [(&str, &[&str]); 4] = [
    ("positive", &["happy"]),
    ("neutral", &["neutral", "surprise", "sleepy"]),
    ("negative", &["sad", "fear", "disgust", "anger", "contempt"]),
    ("happy", &["happy"]),
];

/// Everything but a smile, whatever else a model knows.
const NOT_HAPPY: &str = "not_happy";

/// The group of everything but a smile is made of what the others are not.
fn is_happy(class: &str) -> bool {
    meaning(class) == Some("happy")
}

/// What a name of a class means; none where no data set known here writes it.
pub(crate) fn meaning(class: &str) -> Option<&'static str> {
    let words = |(_, words): &&(&str, &[&str])| words.iter().any(|word| same(word, class.trim()));
    WORDS.iter().find(words).map(|(meaning, _)| *meaning)
}

/// The numbers of the classes that a name stands for: of the one that is called so, else of
/// all that mean the same.
pub(crate) fn alike(name: &str, classes: &[String]) -> Vec<usize> {
    let numbers = |fits: &dyn Fn(&str) -> bool| -> Vec<usize> {
        (0..classes.len()).filter(|number| fits(&classes[*number])).collect()
    };
    let called_so = numbers(&|class| same(class, name));
    match meaning(name) {
        Some(wanted) if called_so.is_empty() => numbers(&|class| meaning(class) == Some(wanted)),
        _ => called_so,
    }
}

/// The number of the class that a name stands for; none where it may be one of several.
pub(crate) fn called(name: &str, classes: &[String]) -> Option<usize> {
    match alike(name, classes)[..] {
        [number] => Some(number),
        _ => None,
    }
}

/// Whether a class of this name belongs to a group that every model has; none where there
/// is no such group.
pub(crate) fn belongs(class: &str, group: &str) -> Option<bool> {
    if same(group, NOT_HAPPY) {
        return Some(!is_happy(class));
    }
    let (_, members) = GROUPS.iter().find(|(name, _)| same(name, group))?;
    Some(meaning(class).is_some_and(|meaning| members.contains(&meaning)))
}

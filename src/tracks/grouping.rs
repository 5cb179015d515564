//! Which class is told as what: as itself, or as the group that it is in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::face::Face;
use super::vocabulary::{belongs, meaning, same};
use crate::detector::Detection;
use crate::detector::classes::check_word;

/// What stands for every class that no other group has.
const REST: &str = "*";

/// `expression.groups`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "it must be a list of names of groups, as [\"happy\", \"not_happy\"], or a section \
                 [expression.groups] of groups, each a list of classes"
)]
pub enum Groups {
    /// Groups of the side-car, or those that every model has.
    Named(Vec<String>),
    /// Groups of the owner's own, each with its classes.
    Defined(BTreeMap<String, Vec<String>>),
}

impl Default for Groups {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// The expressions that are told, and which each class of the model is told as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    told: Vec<String>,
    /// For each class its number among those.
    of_class: Vec<usize>,
    classes: Vec<String>,
}

impl Grouping {
    /// Every class as itself.
    pub fn none(classes: &[String]) -> Self {
        let told = classes.to_vec();
        Self { of_class: (0..told.len()).collect(), classes: told.clone(), told }
    }

    /// The groups that `groups` ask for, of a model with these classes and the groups that
    /// its side-car offers. A class that is in no group is told as itself.
    ///
    /// # Errors
    ///
    /// In words that follow the key: a group that is not known or has no class, a class
    /// that is in two groups or that the model does not have, a name that cannot be told.
    pub fn resolve(
        groups: &Groups,
        classes: &[String],
        offered: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, String> {
        let mut of_class = vec![None; classes.len()];
        let mut told: Vec<String> = Vec::new();
        for (name, members) in members_of(groups, classes, offered)? {
            check_word(&name).map_err(|why| format!("name {name:?}, {why}"))?;
            if told.iter().any(|other| same(other, &name)) {
                return Err(format!("name {name} for the second time"));
            }
            for class in members {
                if let Some(other) = of_class[class].replace(told.len()) {
                    let (class, other) = (&classes[class], &told[other]);
                    return Err(format!("put {class} into both {other} and {name}"));
                }
            }
            told.push(name);
        }
        let mut all = Vec::with_capacity(classes.len());
        for (group, class) in of_class.into_iter().zip(classes) {
            all.push(group.unwrap_or(told.len()));
            if group.is_none() {
                if told.iter().any(|other| same(other, class)) {
                    return Err(format!("have a {class} that lacks the model's class {class}"));
                }
                told.push(class.clone());
            }
        }
        Ok(Self { told, of_class: all, classes: classes.to_vec() })
    }

    /// Whether every class is told as itself.
    pub fn is_none(&self) -> bool {
        self.told == self.classes
    }

    /// The names of what is told.
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// For each class of the model, the number of what it is told as.
    pub fn of_class(&self) -> &[usize] {
        &self.of_class
    }

    /// What each class says, from 0 to 1, as what is told says it.
    pub fn scores(&self, classes: &[f32]) -> Vec<f32> {
        let mut told = vec![0.0; self.told.len()];
        for (group, score) in self.of_class.iter().zip(classes) {
            told[*group] += score;
        }
        told.iter_mut().for_each(|score| *score = score.min(1.0));
        told
    }

    /// The boxes of a face as boxes of what is told: one for each that says anything.
    pub fn boxes(&self, face: &Face) -> Vec<Detection> {
        let scores = self.scores(&face.scores).into_iter().enumerate();
        let said = scores.filter(|(_, score)| *score > 0.0);
        said.map(|(class, confidence)| Detection { class, confidence, rect: face.rect }).collect()
    }

    /// What a class of some data set is told as: by its name, as the model's class of that
    /// name or meaning, or as a group that it belongs to with every model.
    pub fn place(&self, class: &str) -> Option<usize> {
        let by_name = self.told.iter().position(|told| same(told, class));
        let classes = || self.classes.iter().zip(&self.of_class);
        let by_class = || classes().find(|(own, _)| same(own, class)).map(|(_, group)| *group);
        let wanted = meaning(class);
        let means = |own: &str| wanted.is_some() && meaning(own) == wanted;
        let by_meaning = || classes().find(|(own, _)| means(own)).map(|(_, group)| *group);
        let within = |told: &String| wanted.is_some() && belongs(class, told) == Some(true);
        by_name.or_else(by_class).or_else(by_meaning).or_else(|| self.told.iter().position(within))
    }
}

type Members = Vec<(String, Vec<usize>)>;

/// Each group with the numbers of its classes.
fn members_of(
    groups: &Groups,
    classes: &[String],
    offered: &BTreeMap<String, Vec<String>>,
) -> Result<Members, String> {
    let number = |group: &str, class: &String| {
        classes.iter().position(|own| same(own, class)).ok_or_else(|| {
            format!("put {class} into {group}; the model's classes are {}", classes.join(", "))
        })
    };
    let listed = |group: &str, members: &[String]| -> Result<Vec<usize>, String> {
        members.iter().filter(|class| *class != REST).map(|class| number(group, class)).collect()
    };
    let all: Members = match groups {
        Groups::Named(names) => {
            let named = |name: &String| {
                let own = offered.iter().find(|(group, _)| same(group, name));
                let members = match own {
                    Some((_, members)) => listed(name, members)?,
                    None => known(name, classes, offered)?,
                };
                Ok((name.clone(), members))
            };
            names.iter().map(named).collect::<Result<_, String>>()?
        }
        Groups::Defined(groups) => {
            let defined = |(name, members): (&String, &Vec<String>)| {
                Ok((name.clone(), listed(name, members)?))
            };
            let listed = groups.iter().map(defined).collect::<Result<_, String>>()?;
            with_rest(listed, groups, classes.len())
        }
    };
    match all.iter().find(|(_, members)| members.is_empty()) {
        Some((empty, _)) => {
            Err(format!("have {empty} without a class; the model's are {}", classes.join(", ")))
        }
        None => Ok(all),
    }
}

/// The group that is to have them also gets the classes that no other has.
fn with_rest(
    mut listed: Members,
    groups: &BTreeMap<String, Vec<String>>,
    class_count: usize,
) -> Members {
    let taken: Vec<usize> = listed.iter().flat_map(|(_, members)| members.clone()).collect();
    let wants_rest = |(name, _): &&mut (String, Vec<usize>)| groups[name].iter().any(|m| m == REST);
    if let Some((_, members)) = listed.iter_mut().find(wants_rest) {
        members.extend((0..class_count).filter(|class| !taken.contains(class)));
    }
    listed
}

/// A group that every model has.
fn known(
    name: &str,
    classes: &[String],
    offered: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<usize>, String> {
    let own = classes.iter().position(|class| same(class, name));
    let member = |class: &String| belongs(class, name);
    if classes.iter().any(|class| member(class).is_none()) {
        return own.map(|class| vec![class]).ok_or_else(|| {
            let offered: Vec<&str> = offered.keys().map(String::as_str).collect();
            let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
            format!(
                "name {name}, which is neither a group of the model ({offered}), nor happy, \
                 not_happy, positive, neutral or negative, nor a class ({})",
                classes.join(", ")
            )
        });
    }
    let members = classes.iter().enumerate().filter(|(_, class)| member(class) == Some(true));
    Ok(members.map(|(number, _)| number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn named(groups: &str, classes: &str) -> Result<Grouping, String> {
        Grouping::resolve(&Groups::Named(words(groups)), &words(classes), &BTreeMap::new())
    }

    const SEVEN: &str = "neutral happy sad surprise fear disgust anger";
    /// Of the published study.
    const NINE: &str = "Angry Contempt Disgust Fear Happy Natural Sad Sleepy Surprised";

    #[test]
    fn the_same_groups_come_out_of_two_seven_and_nine_classes() {
        for (classes, of_class) in [
            ("happy not_happy", vec![0, 1]),
            (SEVEN, vec![1, 0, 1, 1, 1, 1, 1]),
            (NINE, vec![1, 1, 1, 1, 0, 1, 1, 1, 1]),
        ] {
            let grouping = named("happy not_happy", classes).unwrap();
            assert_eq!(grouping.told(), ["happy", "not_happy"]);
            assert_eq!(grouping.of_class(), of_class, "{classes}");
        }
        let valence = named("positive neutral negative", NINE).unwrap();
        assert_eq!(valence.of_class(), [2, 2, 2, 2, 0, 1, 2, 1, 1]);
        assert_eq!(named("", SEVEN).unwrap(), Grouping::none(&words(SEVEN)));
    }

    #[test]
    fn what_no_group_has_is_told_as_itself() {
        let grouping = named("negative", SEVEN).unwrap();
        assert_eq!(grouping.told(), ["negative", "neutral", "happy", "surprise"]);
        let scores = grouping.scores(&[0.1, 0.2, 0.3, 0.05, 0.1, 0.1, 0.1]);
        assert!((scores[0] - 0.6).abs() < 1e-6 && (scores[2] - 0.2).abs() < 1e-6, "{scores:?}");
    }

    #[test]
    fn the_owners_and_the_side_cars_groups_come_first() {
        let classes = words(SEVEN);
        let defined = |text: &str| {
            let groups: Groups =
                toml::from_str::<BTreeMap<String, Groups>>(text).unwrap()["groups"].clone();
            Grouping::resolve(&groups, &classes, &BTreeMap::new())
        };
        let own = defined("[groups]\nother = ['*']\nsmiling = ['Happy', 'SURPRISE']").unwrap();
        assert_eq!(
            (own.told().join(" "), own.of_class()),
            ("other smiling".into(), &[0, 1, 0, 1, 0, 0, 0][..])
        );
        let offered = BTreeMap::from([("awake".to_owned(), words("surprise fear"))]);
        let groups = Groups::Named(words("Awake"));
        let awake = Grouping::resolve(&groups, &classes, &offered).unwrap();
        assert_eq!((awake.told()[0].as_str(), awake.of_class()[3]), ("Awake", 0));
        for (text, words) in [
            ("[groups]\na = ['joyful']", "put joyful into a; the model's classes are neutral"),
            ("[groups]\na = ['sad']\nb = ['SAD']", "put sad into both a and b"),
            ("[groups]\nnone = ['sad']", "no expression"),
            ("[groups]\nA = ['sad']\na = ['fear']", "a for the second time"),
            ("[groups]\na = []", "have a without a class"),
            ("[groups]\nhappy = ['sad']", "lacks the model's class happy"),
            ("groups = ['cheerful']", "name cheerful, which is neither"),
        ] {
            let refused = defined(text).expect_err(text);
            assert!(refused.contains(words), "{text}: {refused}");
        }
        let refused = named("positive negative", "happy not_happy").expect_err("no negative class");
        assert!(refused.contains("negative without a class"), "{refused}");
    }

    #[test]
    fn the_classes_of_other_sets_find_their_place() {
        let grouping = named("happy not_happy", SEVEN).unwrap();
        for (class, place) in [
            ("NOT_HAPPY", Some(1)),
            ("Angry", Some(1)),
            ("smile", Some(0)),
            ("contempt", Some(1)),
            ("face", None),
        ] {
            assert_eq!(grouping.place(class), place, "{class}");
        }
    }
}

//! Which class is told as what: as itself, or as the group that it is in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::face::Face;
use super::vocabulary::{alike, belongs, called, meaning};
use crate::detector::Detection;
use crate::detector::classes::{check_apart, check_names, same};

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

impl Groups {
    /// As an option of the command line has them: names, or groups of one's own, each written
    /// `name=class+class`. Blanks and what is empty are passed over.
    ///
    /// # Errors
    ///
    /// In words that follow the option: a group twice, or some with classes and some without.
    pub fn parse(items: &[String]) -> Result<Self, String> {
        let (mut named, mut defined) = (Vec::new(), BTreeMap::new());
        for item in items.iter().map(|item| item.trim()).filter(|item| !item.is_empty()) {
            let Some((name, classes)) = item.split_once('=') else {
                named.push(item.to_owned());
                continue;
            };
            let classes = classes.split('+').map(str::trim).filter(|class| !class.is_empty());
            let classes = classes.map(str::to_owned).collect();
            if defined.insert(name.trim().to_owned(), classes).is_some() {
                return Err(format!("name {} for the second time", name.trim()));
            }
        }
        match (named.first(), defined.first_key_value()) {
            (Some(name), Some((own, _))) => Err(format!(
                "have {own} with classes and {name} without: give all of them classes, or none"
            )),
            (_, None) => Ok(Self::Named(named)),
            (None, Some(_)) => Ok(Self::Defined(defined)),
        }
    }

    /// Whether none is asked for.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Named(names) => names.is_empty(),
            Self::Defined(groups) => groups.is_empty(),
        }
    }

    /// What is wrong with them whatever the model, in words that follow the key: a name that
    /// cannot be told or is there twice, a group without a class, a class (or `*`) twice.
    pub(crate) fn check(&self) -> Result<(), String> {
        let named = |(_, what): (usize, String)| format!("name {what}");
        let groups = match self {
            Self::Named(names) => return check_names(names).map_err(named),
            Self::Defined(groups) => groups,
        };
        check_names(groups.keys()).map_err(named)?;
        if let Some((empty, _)) = groups.iter().find(|(_, members)| members.is_empty()) {
            return Err(format!("have {empty} without a class"));
        }
        check_apart(groups.iter().flat_map(|(group, members)| {
            members.iter().map(move |class| (group.as_str(), class.as_str()))
        }))
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
        groups.check()?;
        let members = members_of(groups, classes, offered)?;
        // Once more, since several names may stand for one class.
        check_apart(members.iter().flat_map(|(name, members)| {
            members.iter().map(|class| (name.as_str(), classes[*class].as_str()))
        }))?;
        let mut of_class = vec![None; classes.len()];
        let mut told: Vec<String> = Vec::new();
        for (name, members) in members {
            members.into_iter().for_each(|class| of_class[class] = Some(told.len()));
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
        let by_class = || {
            let mut groups: Vec<usize> =
                alike(class, &self.classes).into_iter().map(|own| self.of_class[own]).collect();
            groups.dedup();
            match groups[..] {
                [group] => Some(group),
                _ => None,
            }
        };
        let within = |told: &String| meaning(class).is_some() && belongs(class, told) == Some(true);
        by_name.or_else(by_class).or_else(|| self.told.iter().position(within))
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
        called(class, classes).ok_or_else(|| {
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
    let own = called(name, classes);
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
mod tests;

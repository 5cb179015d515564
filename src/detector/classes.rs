//! What the names of expressions may be.

/// Words that a class cannot be called: with them the state of an expression says that
/// there is none, or, in Home Assistant, that it is not known.
pub const RESERVED: [&str; 3] = ["none", "unknown", "unavailable"];

/// Class names are shown to people and sent in events: any script, no control
/// characters, each one once, whatever the case of its letters.
///
/// # Errors
///
/// Which class is wrong and why, in words.
pub fn check_classes(classes: &[String]) -> Result<(), String> {
    if classes.is_empty() {
        return Err("classes is empty: a detector has at least one".to_owned());
    }
    check_names(classes).map_err(|(number, what)| format!("classes[{number}] is {what}"))
}

/// Whether expressions can have these names side by side.
///
/// # Errors
///
/// The place of the first that cannot be, and words that begin with it.
pub(crate) fn check_names<'a>(
    names: impl IntoIterator<Item = &'a String>,
) -> Result<(), (usize, String)> {
    let mut before: Vec<&String> = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        let shown = name.escape_debug();
        check_word(name).map_err(|why| (number, format!("{shown}, which {why}")))?;
        if before.iter().any(|other| same(other, name)) {
            return Err((number, format!("{shown} for the second time")));
        }
        before.push(name);
    }
    Ok(())
}

/// Whether a word can be the name of an expression.
fn check_word(word: &str) -> Result<(), &'static str> {
    if word.trim().is_empty() || word.len() > 64 || word.chars().any(char::is_control) {
        return Err("must be 1 to 64 bytes without control characters");
    }
    if word != word.trim() {
        // Home Assistant takes them off a state, which then is none that it was told of.
        return Err("has blanks around it");
    }
    if RESERVED.contains(&&*word.to_lowercase()) {
        return Err("means that there is no expression");
    }
    Ok(())
}

/// Whether each class is put into one group, once; `members` are groups, each with a class.
///
/// # Errors
///
/// In words that follow the key: the class and the groups.
pub(crate) fn check_apart<'a>(
    members: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), String> {
    let mut before: Vec<(&str, &str)> = Vec::new();
    for (group, class) in members {
        match before.iter().find(|(_, other)| same(other, class)) {
            None => before.push((group, class)),
            Some((other, class)) if *other == group => {
                return Err(format!("put {class} into {group} twice"));
            }
            Some((other, class)) => {
                return Err(format!("put {class} into both {other} and {group}"));
            }
        }
    }
    Ok(())
}

/// Whether two names are the same, whatever the case of their letters.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Whether a class is one of these.
pub(super) fn among(class: &str, classes: &[String]) -> bool {
    classes.iter().any(|other| same(other, class))
}

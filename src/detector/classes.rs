//! What the names of expressions may be.

/// Words that a class cannot be called: with them the state of an expression says that
/// there is none, or, in Home Assistant, that it is not known.
pub const RESERVED: [&str; 3] = ["none", "unknown", "unavailable"];

/// Class names are shown to people and sent in events: any script, no control
/// characters, each one once, whatever the case of its letters.
pub fn check_classes(classes: &[String]) -> Result<(), String> {
    if classes.is_empty() {
        return Err("classes is empty: a detector has at least one".to_owned());
    }
    for (number, class) in classes.iter().enumerate() {
        if among(class, &classes[..number]) {
            return Err(format!("classes[{number}] is {class} for the second time"));
        }
        check_word(class).map_err(|why| format!("classes[{number}] is {class}, {why}"))?;
    }
    Ok(())
}

/// Whether a word can be the name of an expression.
pub fn check_word(word: &str) -> Result<(), &'static str> {
    if word.trim().is_empty() || word.len() > 64 || word.chars().any(char::is_control) {
        return Err("which must be 1 to 64 bytes without control characters");
    }
    if RESERVED.contains(&&*word.trim().to_lowercase()) {
        return Err("which means that there is no expression: a side-car can give it another name");
    }
    Ok(())
}

/// Whether a class is one of these, whatever the case of its letters.
pub(super) fn among(class: &str, classes: &[String]) -> bool {
    classes.iter().any(|other| other.to_lowercase() == class.to_lowercase())
}

//! Text from outside, made fit for a terminal. Names of files may hold what clears the screen,
//! colours the next lines or forges one, and a line of a file may have any length.

/// Characters of a text that is quoted: what was meant is to be seen, and not all of it.
const QUOTED: usize = 60;

/// On one line and without what commands a terminal.
pub fn line(text: &str) -> String {
    without(text, char::is_control)
}

/// The same with the ends of its lines, and with its tabs.
pub fn lines(text: &str) -> String {
    without(text, |c| c.is_control() && !matches!(c, '\n' | '\t'))
}

fn without(text: &str, commands: impl Fn(char) -> bool) -> String {
    text.chars().map(|c| if commands(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The beginning of a text on one line, to be quoted in a message.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => line(&text[..end]) + "...",
        None => line(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_a_terminal_and_what_is_quoted_is_short() {
        let hostile = "a\u{1b}[2Jb\r\nc\u{9b}31m\td\u{7f}";
        assert_eq!(line(hostile), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}31m\u{fffd}d\u{fffd}");
        assert_eq!(lines(hostile), "a\u{fffd}[2Jb\u{fffd}\nc\u{fffd}31m\td\u{fffd}");
        assert_eq!(quoted("Bücher"), "Bücher");
        assert_eq!(quoted(&"ü".repeat(60)), "ü".repeat(60));
        assert_eq!(quoted(&"ü".repeat(1 << 20)), "ü".repeat(60) + "...");
        assert_eq!(quoted("\u{1b}c"), "\u{fffd}c");
    }
}

//! Findings as people read them: coloured and wrapped on a terminal, one plain line
//! each anywhere else.

use std::io::{self, IsTerminal, Stdout, Write};

use anstyle::{AnsiColor, Style};

use super::finding::{Check, Diagnosis, Finding, Verdict};
use crate::printable;

/// Writes findings to standard output.
pub struct FindingTable {
    out: Stdout,
    /// Columns of the terminal; none where it is no terminal.
    width: Option<usize>,
    colour: bool,
}

/// In columns, where a terminal does not say how many it has.
const USUAL: usize = 80;
/// In columns: longer lines are hard to read.
const WIDEST: usize = 100;

impl FindingTable {
    /// Coloured and wrapped if standard output is a terminal, unless `NO_COLOR` is set.
    pub fn on_stdout() -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal();
        // A serial console says 0.
        let columns = || match rustix::termios::tcgetwinsize(&out) {
            Ok(size) if size.ws_col > 0 => size.ws_col.into(),
            _ => USUAL,
        };
        let width = terminal.then(|| columns().clamp(40, WIDEST));
        // https://no-color.org
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { out, width, colour: terminal && !refused }
    }

    /// Writes one finding.
    ///
    /// # Errors
    ///
    /// Standard output cannot be written.
    pub fn row(&mut self, finding: &Finding) -> io::Result<()> {
        let text = match self.width {
            Some(width) => wrapped(finding, width, self.colour),
            None => plain(finding),
        };
        self.out.write_all(text.as_bytes())
    }

    /// Writes the number of problems and warnings, after all rows.
    ///
    /// # Errors
    ///
    /// Standard output cannot be written.
    pub fn end(&mut self, report: &Diagnosis) -> io::Result<()> {
        let count = |verdict| report.checks.iter().filter(|found| found.verdict == verdict).count();
        let (problems, warnings) = (count(Verdict::Problem), count(Verdict::Warning));
        writeln!(self.out, "problems: {problems}, warnings: {warnings}")
    }
}

/// `verdict check message; do: remedy`. Some of it was read from a broker.
fn plain(finding: &Finding) -> String {
    let Finding { check, verdict, message, remedy, .. } = finding;
    let code = finding.reason.map_or(String::new(), |code| format!(" [{}]", code.name()));
    let remedy = remedy.as_ref().map_or(String::new(), |remedy| format!("; do: {remedy}"));
    let words = printable::line(&format!("{message}{code}{remedy}"));
    format!("{:<8} {:<15} {words}\n", verdict.name(), check.name())
}

fn wrapped(finding: &Finding, width: usize, colour: bool) -> String {
    let style = |style: Style| if colour { style } else { Style::new() };
    let (mark, of_verdict) = match finding.verdict {
        Verdict::Ok => ("✔", AnsiColor::Green.on_default()),
        Verdict::Skipped => ("-", Style::new().dimmed()),
        Verdict::Warning => ("!", AnsiColor::Yellow.on_default().bold()),
        Verdict::Problem => ("✘", AnsiColor::Red.on_default().bold()),
    };
    let (of_verdict, of_remedy) = (style(of_verdict), style(AnsiColor::Cyan.on_default()));
    let indent = longest_name() + 4;
    let name = finding.check.name();
    let mut text = format!("{of_verdict}{mark}{of_verdict:#} {name:<0$}  ", indent - 4);
    for (number, line) in lines(&finding.message, width - indent).iter().enumerate() {
        let margin = if number == 0 { 0 } else { indent };
        text += &format!("{:margin$}{line}\n", "");
    }
    let remedy = finding.remedy.iter().flat_map(|remedy| lines(remedy, width - indent - 2));
    for (number, line) in remedy.enumerate() {
        let arrow = if number == 0 { '→' } else { ' ' };
        text += &format!("{:indent$}{of_remedy}{arrow} {line}{of_remedy:#}\n", "");
    }
    text
}

fn longest_name() -> usize {
    Check::ALL.iter().map(|check| check.name().len()).max().unwrap_or(0)
}

/// Words put into lines of at most `width` characters, longer words alone.
fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace().map(printable::line) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::payload::ReasonCode;

    fn finding() -> Finding {
        let message = "it is too dark to find a face in the picture of this camera";
        Finding::warning(Check::Camera, message, "light, or a cover on the lens?")
            .because(ReasonCode::Dark)
    }

    #[test]
    fn a_terminal_gets_short_lines_and_a_script_one() {
        let text = wrapped(&finding(), 40, false);
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert!(text.starts_with("! camera          it is too dark"), "{text}");
        assert!(text.contains("→ light"), "{text}");
        let plain = plain(&finding());
        assert_eq!(plain.lines().count(), 1);
        assert!(
            plain.starts_with("warning  camera ") && plain.contains("[dark]; do: light"),
            "{plain}"
        );
    }

    #[test]
    fn what_a_broker_keeps_forges_no_line_and_commands_no_terminal() {
        let message = "it says dark (a\nok       forged \u{1b}[31mred)";
        let finding = Finding::ok(Check::Service, message);
        assert_eq!(plain(&finding).lines().count(), 1);
        for text in [plain(&finding), wrapped(&finding, 40, false)] {
            assert!(!text.contains('\u{1b}'), "{text:?}");
        }
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        assert!(wrapped(&finding(), 80, true).contains('\u{1b}'));
        assert!(!wrapped(&finding(), 80, false).contains('\u{1b}'));
    }
}

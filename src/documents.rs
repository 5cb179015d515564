//! Every `expressiond ...` in the documents is a command line that this program
//! understands, and the man page names every command.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use expressiond::doctor::finding::Check;

use crate::Cli;

const MAN_PAGE: &str = include_str!("../deploy/man/expressiond.1");

const IN_PROSE: [ErrorKind; 2] =
    [ErrorKind::MissingRequiredArgument, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["docs/guide", "docs/ref"].into_iter().flat_map(|folder| {
        fs::read_dir(root.join(folder)).expect("readable").map(|entry| entry.expect("entry").path())
    });
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    folders.filter(is_page).chain([root.join("README.md")]).collect()
}

/// Lines of shell blocks, continued ones joined, and `code spans` of other lines; with
/// each whether it is a line to be typed.
fn command_lines(page: &str) -> Vec<(bool, String)> {
    let (mut lines, mut block) = (Vec::new(), None);
    for line in page.replace("\\\n", " ").lines() {
        match (line.strip_prefix("```"), block) {
            (Some(_), Some(_)) => block = None,
            (Some(language), None) => block = Some(language == "sh"),
            (None, Some(true)) => lines.push((true, line.to_owned())),
            (None, Some(false)) => {}
            (None, None) => {
                let spans = line.split('`').skip(1).step_by(2);
                lines.extend(spans.map(|span| (false, span.to_owned())));
            }
        }
    }
    lines
}

/// The arguments behind the program's name, up to a comment, pipe or redirection.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let line = line.trim();
    let line = line.strip_prefix("sudo ").unwrap_or(line);
    let (program, rest) = line.split_once(' ')?;
    if Path::new(program).file_name()? != "expressiond" {
        return None;
    }
    let ends = |word: &&str| ["#", "|", ">", "&&", ";"].iter().any(|end| word.starts_with(end));
    Some(rest.split_whitespace().take_while(|word| !ends(word)).collect())
}

/// The developers' tool is only there with its feature, and in no man page.
fn is_built(command: &str) -> bool {
    command != "simulate" || cfg!(feature = "simulate")
}

#[test]
fn every_command_line_in_the_documents_is_understood() {
    let mut seen = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).expect("readable");
        for (typed, line) in command_lines(&page) {
            let Some(arguments) = arguments(&line) else { continue };
            // `expressiond ...` stands for any of them.
            if arguments.is_empty() || arguments == ["..."] || !is_built(arguments[0]) {
                continue;
            }
            let words = [&["expressiond"], &arguments[..]].concat();
            if let Err(error) = Cli::try_parse_from(words) {
                let kind = error.kind();
                let harmless = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion].contains(&kind)
                    // Prose names a command without what it must be given.
                    || (!typed && IN_PROSE.contains(&kind));
                assert!(harmless, "{}: {line}: {error}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} command lines: are they still found?");
}

#[test]
fn the_man_page_names_every_command_and_no_other() {
    let section = MAN_PAGE.split(".SH ").find(|section| section.starts_with("COMMANDS"));
    let documented: BTreeSet<String> = section
        .expect("a section of commands")
        .lines()
        .filter_map(|line| line.strip_prefix(".B "))
        .map(str::to_owned)
        .collect();
    let command = Cli::command();
    let names = command.get_subcommands().map(|command| command.get_name().to_owned());
    let coded: BTreeSet<String> = names.filter(|name| name != "simulate").collect();
    assert_eq!(documented, coded);
}

/// The first problem in this order decides the exit code.
#[test]
fn the_help_of_doctor_lists_its_checks_in_their_order() {
    let command = Cli::command();
    let doctor = command.find_subcommand("doctor").expect("a command");
    let help = doctor.get_long_about().expect("a description").to_string().replace('\n', " ");
    let list = help.split_once("Checks ").and_then(|(_, rest)| rest.split_once(", in this order"));
    let list = list.expect("a list").0.replace(" and ", ", ");
    assert_eq!(list.split(", ").collect::<Vec<_>>(), Check::ALL.map(Check::name));
}

#[test]
fn the_man_page_names_every_exit_code() {
    let section = MAN_PAGE.split(".SH ").find(|section| section.starts_with("EXIT STATUS"));
    let section = section.expect("a section of exit codes");
    for kind in expressiond::error::Kind::ALL {
        assert!(section.contains(&format!("{} ", kind.exit_code())), "{kind:?}");
    }
}

//! The command line: one variant per subcommand, each in its own file in `cmd`.

// They panic where they cannot write: results go through `cmd::output`, errors through
// `logging`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod cmd;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use expressiond::error::{Error, Result};
use expressiond::logging;

/// Facial-expression events from a local camera over MQTT.
///
/// expressiond watches a camera, finds faces and their expression, and tells an
/// MQTT broker when that changes: whether somebody smiles, or whatever else the
/// model knows. Pictures never leave the device unless its owner switches that on.
///
/// First steps:
///   expressiond cameras                  what can be used here
///   expressiond detect picture.jpg       try the detector on a picture
///   expressiond check-config             is the configuration right?
///   expressiond run                      the daemon
///   expressiond doctor                   why is nothing happening?
#[derive(Debug, Parser)]
#[command(name = "expressiond", version, max_term_width = 100, verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(cmd::run::Args),
    Detect(cmd::detect::Args),
    Evaluate(cmd::evaluate::Args),
    Bench(cmd::bench::Args),
    Cameras(cmd::cameras::Args),
    CheckConfig(cmd::check_config::Args),
    Model(cmd::model::Args),
    Discovery(cmd::discovery::Args),
    Doctor(cmd::doctor::Args),
    PreviewToken(cmd::preview_token::Args),
    Completions(cmd::completions::Args),
    #[cfg(feature = "simulate")]
    Simulate(cmd::simulate::Args),
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Run(args) => cmd::run::run(&args),
        Command::Detect(args) => cmd::detect::run(&args),
        Command::Evaluate(args) => cmd::evaluate::run(&args),
        Command::Bench(args) => cmd::bench::run(&args),
        Command::Cameras(args) => cmd::cameras::run(&args),
        Command::CheckConfig(args) => cmd::check_config::run(&args),
        Command::Model(args) => cmd::model::run(&args),
        Command::Discovery(args) => cmd::discovery::run(&args),
        Command::Doctor(args) => cmd::doctor::run(&args),
        Command::PreviewToken(args) => cmd::preview_token::run(&args),
        Command::Completions(args) => cmd::completions::run(&args, Cli::command()),
        #[cfg(feature = "simulate")]
        Command::Simulate(args) => cmd::simulate::run(&args),
    }
}

/// Of a command line that is not understood, as shells have it (`docs/ref/exit-codes.md`).
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(answer) => return tell(&answer),
    };
    match dispatch(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// The help or the version, or what is wrong with the command line.
fn tell(answer: &clap::Error) -> ExitCode {
    if answer.use_stderr() {
        // Where that cannot be written the code still says it.
        let _ = answer.print();
        return ExitCode::from(USAGE);
    }
    match answer.print() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&cmd::output::cannot_write(error)),
    }
}

fn fail(error: &Error) -> ExitCode {
    logging::fatal(error);
    ExitCode::from(error.kind().exit_code())
}

#[cfg(test)]
mod documents;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

//! `expressiond completions`: tab completion for a shell.

use clap_complete::{Shell, generate};

use expressiond::error::Result;

/// Print the completion script of a shell.
///
/// For bash: expressiond completions bash > /etc/bash_completion.d/expressiond
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<()> {
    generate(args.shell, &mut command, "expressiond", &mut std::io::stdout());
    Ok(())
}

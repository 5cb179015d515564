//! `expressiond completions`: tab completion for a shell.

use clap_complete::{Shell, generate};

use super::output;
use expressiond::error::Result;

/// Print the completion script of a shell.
///
/// For bash: expressiond completions bash > /etc/bash_completion.d/expressiond
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<()> {
    // Into memory: clap_complete panics where it cannot write.
    let mut script = Vec::new();
    generate(args.shell, &mut command, "expressiond", &mut script);
    output::as_it_is(&String::from_utf8_lossy(&script))
}

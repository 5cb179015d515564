//! `expressiond doctor`: why is nothing happening?

use super::{ConfigArgs, output};
use expressiond::doctor::examine;
use expressiond::doctor::table::FindingTable;
use expressiond::error::{Error, Result};

/// Find out why nothing happens, and what to do about it.
///
/// Checks settings, credentials, library, model, permissions, camera, state, broker, tls,
/// login, topics, home_assistant, clock, board and service, in this order, and names a
/// remedy for what it finds. A daemon that runs is not disturbed. With sudo it sees what
/// the service sees. The exit code is that of the first problem (docs/ref/exit-codes.md).
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut table = FindingTable::on_stdout();
    let mut written = Ok(());
    let diagnosis = examine(&args.config.sources(), |finding| {
        if !args.json && written.is_ok() {
            written = table.row(finding);
        }
    })?;
    written.map_err(output::cannot_write)?;
    if args.json {
        output::json(&diagnosis)?;
    } else {
        table.end(&diagnosis).map_err(output::cannot_write)?;
    }
    match diagnosis.first_problem() {
        None => Ok(()),
        Some((finding, kind)) => {
            Err(Error::new(kind, format!("{}: {}", finding.check.name(), finding.message)))
        }
    }
}

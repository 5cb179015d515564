//! `expressiond preview-token`: a password for the page.

use std::io::Write;

use super::output;
use expressiond::error::Result;
use expressiond::preview::token::Token;

/// Make a token for the page (preview.listen): shown once, kept nowhere.
///
/// Standard output gets the line for the settings, which holds only a hash: it may stand
/// where others read it. The token itself goes to standard error; whoever has it may see
/// what the camera sees and change settings on the page.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<()> {
    let token = Token::random();
    let told = format!(
        "token, for the page and for scrapers: {token}\nfor the settings, below [preview]:\n"
    );
    std::io::stderr().write_all(told.as_bytes()).map_err(output::cannot_write)?;
    output::line(format_args!("token_hash = \"{}\"", token.hash()))
}

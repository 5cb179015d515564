//! `expressiond preview-token`: a password for the page.

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

#[expect(clippy::unnecessary_wraps, reason = "every command ends with a result")]
pub(crate) fn run(_args: &Args) -> Result<()> {
    let token = Token::random();
    eprintln!("token, for the page and for scrapers: {token}");
    eprintln!("for the settings, below [preview]:");
    println!("token_hash = \"{}\"", token.hash());
    Ok(())
}

//! `expressiond cameras`: what can be used here, and why not.

use expressiond::error::{Error, Kind, Result};
use expressiond::source::devices;
use expressiond::source::devices::{Node, State};

/// List cameras: driver, formats, sizes, and whether each can be used.
///
/// The name below /dev/v4l/by-id stays the same when numbers move: put it into
/// camera.source.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A JSON array instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let nodes = devices::list();
    if args.json {
        let text = serde_json::to_string_pretty(&nodes)
            .map_err(|error| Error::caused(Kind::Internal, "cannot write JSON", error))?;
        println!("{text}");
        return Ok(());
    }
    if nodes.is_empty() {
        println!(
            "no cameras: nothing below /dev/video* (is one plugged in? docs/guide/cameras.md)"
        );
    }
    nodes.iter().for_each(print);
    Ok(())
}

fn print(node: &Node) {
    let why = node.unusable.as_deref().unwrap_or_default();
    let verdict = match node.state {
        State::Usable => "usable".to_owned(),
        State::Busy => "in use just now; by the expressiond service, if that runs".to_owned(),
        State::Unavailable | State::NotACamera => format!("not usable: {why}"),
    };
    println!("{}  {}  [{}; {}]", node.path.display(), node.card, node.driver, node.bus);
    println!("  {verdict}");
    if let Some(link) = &node.link {
        println!("  {}", link.display());
    }
    for offer in &node.formats {
        let sizes: Vec<String> = offer
            .sizes
            .iter()
            .map(|mode| match mode.fps {
                Some(fps) => format!("{}x{}@{fps:.0}", mode.width, mode.height),
                None => format!("{}x{}", mode.width, mode.height),
            })
            .collect();
        let mark = if offer.readable { ' ' } else { '-' };
        println!("  {mark} {} {}: {}", offer.fourcc, offer.description, sizes.join(" "));
    }
}

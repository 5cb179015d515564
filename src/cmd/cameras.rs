//! `expressiond cameras`: what can be used here, and why not.

use super::output;
use expressiond::error::Result;
use expressiond::source::devices;
use expressiond::source::devices::{Node, State, told};

/// List cameras: driver, formats, sizes, and whether each can be used.
///
/// The name below /dev/v4l that is shown stays the same when numbers move: put it
/// into camera.source.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A JSON array instead of text (docs/ref/cameras.md)
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let nodes = devices::list();
    if args.json {
        return output::json(&nodes);
    }
    if nodes.is_empty() {
        return output::line(
            "no cameras: nothing below /dev/video* (is one plugged in? docs/guide/cameras.md)",
        );
    }
    output::text(nodes.iter().map(description).collect::<String>())
}

fn description(node: &Node) -> String {
    let why = node.unusable.as_deref().unwrap_or_default();
    let verdict = match node.state {
        State::Usable => "usable".to_owned(),
        State::Busy => "in use just now; by the expressiond service, if that runs".to_owned(),
        State::Unavailable | State::NotACamera => format!("not usable: {why}"),
    };
    let Node { card, driver, bus, .. } = node;
    let mut text = format!("{}  {card}  [{driver}; {bus}]\n  {verdict}\n", node.path.display());
    if let Some(link) = &node.link {
        text += &format!("  {}\n", link.display());
    }
    if let Some(note) = &node.link_note {
        text += &format!("  {note}\n");
    }
    for offer in &node.formats {
        let sizes: Vec<String> = offer
            .sizes
            .iter()
            .map(|mode| match mode.fps {
                Some(fps) => format!("{}x{}@{}", mode.width, mode.height, told(fps)),
                None => format!("{}x{}", mode.width, mode.height),
            })
            .collect();
        let mark = if offer.readable { ' ' } else { '-' };
        let (fourcc, sizes) = (&offer.fourcc, sizes.join(" "));
        text += &format!("  {mark} {fourcc} {}: {sizes}\n", offer.description);
    }
    text
}

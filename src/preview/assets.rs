//! The page's files, inside the program: nothing to install, nothing to be out of step.

/// Path, type and content of each.
const ASSETS: [(&str, &str, &[u8]); 12] = [
    ("/", HTML, include_bytes!("page/index.html")),
    ("/login", HTML, include_bytes!("page/login.html")),
    ("/style.css", "text/css; charset=utf-8", include_bytes!("page/style.css")),
    ("/words.js", SCRIPT, include_bytes!("page/words.js")),
    ("/app.js", SCRIPT, include_bytes!("page/app.js")),
    ("/picture.js", SCRIPT, include_bytes!("page/picture.js")),
    ("/tune.js", SCRIPT, include_bytes!("page/tune.js")),
    ("/zones.js", SCRIPT, include_bytes!("page/zones.js")),
    ("/setup.js", SCRIPT, include_bytes!("page/setup.js")),
    ("/dom.js", SCRIPT, include_bytes!("page/dom.js")),
    ("/login.js", SCRIPT, include_bytes!("page/login.js")),
    ("/icon.svg", "image/svg+xml", include_bytes!("page/icon.svg")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// Type and content of what may be seen without a token, by whoever follows a link of
/// another site's as well: it holds no secret, and what it shows it asks for itself.
pub(super) fn find(path: &str) -> Option<(&'static str, &'static [u8])> {
    let (_, kind, content) = ASSETS.iter().find(|(known, _, _)| *known == path)?;
    Some((kind, content))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::contract::payload::ReasonCode;
    use crate::events::EventType;
    use crate::preview::live::EVENTS;
    use crate::preview::store::SETUP;

    #[test]
    fn the_page_is_small_and_asks_nobody_else() {
        let all = ASSETS.iter().map(|(_, _, content)| *content);
        let size: usize = all.clone().map(<[u8]>::len).sum();
        assert!(size < 100_000, "{size} bytes");
        for content in all {
            let text =
                std::str::from_utf8(content).expect("text").replace("http://www.w3.org/", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "asks elsewhere");
            for inline in ["style=\"", "onclick=", "<script>", "<style>", "innerHTML"] {
                assert!(!text.contains(inline), "{inline}: the policy forbids it, or should");
            }
        }
    }

    fn script(path: &str) -> &'static str {
        std::str::from_utf8(find(path).expect("is there").1).expect("text")
    }

    /// The names in lines that read `  <begin>name: "words",`.
    fn words(begin: &str) -> BTreeSet<String> {
        let lines = script("/words.js").lines();
        let named =
            lines.filter_map(|line| line.trim_start().strip_prefix(begin)?.split_once(": "));
        named.map(|(name, _)| name.to_owned()).collect()
    }

    /// The colours in a text, as `#rrggbb`.
    fn colours(text: &str) -> Vec<&str> {
        text.match_indices('#').filter_map(|(at, _)| text.get(at..at + 7)).collect()
    }

    /// Of two colours (WCAG 2.2, "contrast ratio" and "relative luminance").
    fn contrast(one: &str, other: &str) -> f64 {
        let luminance = |colour: &str| {
            let part = |at: usize| {
                let value = u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour");
                let share = f64::from(value) / 255.0;
                if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn line(path: &str, begin: &str) -> &'static str {
        let mut lines = script(path).lines().map(str::trim_start);
        lines.find(|line| line.starts_with(begin)).expect("the line")
    }

    #[test]
    fn every_name_on_the_picture_can_be_read_on_its_colour() {
        let dark = colours(line("/dom.js", "const DARK = "));
        let white = colours(line("/dom.js", "const words = "))[0];
        let usual = colours(line("/style.css", "color: var(--on-colour, "))[0];
        let classes = colours(line("/dom.js", "const COLOURS = "));
        assert_eq!(classes.len(), 7);
        for colour in classes.into_iter().chain(colours(line("/dom.js", "const colour = "))) {
            let text = if dark.contains(&colour) { white } else { usual };
            let contrast = contrast(colour, text);
            // WCAG 2.2, 1.4.3.
            assert!(contrast >= 4.5, "{text} on {colour}: {contrast:.2}");
        }
    }

    #[test]
    fn where_a_field_begins_can_be_seen() {
        let all = |name: &str| {
            let lines = script("/style.css").lines().map(str::trim_start);
            let own = lines.filter(|line| line.starts_with(name));
            own.map(|line| colours(line)[0]).collect::<Vec<_>>()
        };
        let (fields, cards, papers) = (all("--field: "), all("--card: "), all("--paper: "));
        assert_eq!(fields.len(), 2, "by day and by night");
        for (field, around) in fields.iter().zip(cards).chain(fields.iter().zip(papers)) {
            let contrast = contrast(field, around);
            // WCAG 2.2, 1.4.11.
            assert!(contrast >= 3.0, "{field} on {around}: {contrast:.2}");
        }
    }

    #[test]
    fn the_page_has_words_for_every_reason_and_event_and_for_no_other() {
        // What no status can say at the broker, the page can.
        let codes = ReasonCode::ALL.iter().map(|code| code.name()).chain(["no_broker"]);
        assert_eq!(words("reason_"), codes.map(str::to_owned).collect());
        let events = EventType::ALL.map(|kind| kind.name().to_owned());
        assert_eq!(words("event_"), BTreeSet::from(events));
    }

    #[test]
    fn the_page_asks_for_what_the_first_run_takes_and_shows_as_many_events_as_are_kept() {
        for key in SETUP {
            assert!(script("/setup.js").contains(&format!("\"{key}\"")), "{key}");
        }
        assert!(script("/app.js").contains(&format!("const MOST = {EVENTS};")));
    }
}

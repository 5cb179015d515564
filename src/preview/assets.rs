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
    use super::*;

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
}

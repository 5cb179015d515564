//! Tables of the pages below `docs/ref`, which are contracts.

/// Cells of the rows of the first table under `heading`, without backquotes.
pub fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let section = page.split_once(heading).expect("the heading is in the page").1;
    let rows = section.lines().skip_while(|line| !line.starts_with('|'));
    let cells = |row: &str| -> Vec<String> {
        row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    rows.take_while(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

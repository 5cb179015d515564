//! One direction of flow: no room of `src/` imports one that stands later in [`ROOMS`],
//! and no files import each other in a circle. docs/design/architecture.md says why.
//!
//! It reads the sources as text: comments, strings and unit tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Each folder or file below `src/`, in the order in which they may import each other:
/// only what stands before.
const ROOMS: [&str; 46] = [
    // what everybody may use
    "error",
    "alarm",
    "backoff",
    "clock",
    "escapes",
    "geometry",
    "hexadecimal",
    "limits",
    "name",
    "package",
    "panics",
    "paths",
    "printable",
    "random",
    "runtime",
    "storage",
    "token_bucket",
    "process",
    "service",
    "logging",
    "board",
    "identity",
    // from a frame to events
    "pixels",
    "source",
    "zones",
    "detector",
    "attention",
    "tracks",
    "events",
    "annotate",
    // from events to a broker, and back
    "outbox",
    "mqtt",
    "contract",
    "publish",
    "home_assistant",
    "control",
    "preview",
    // all of it together
    "config",
    "pipeline",
    "evaluate",
    "doctor",
    "settings_files",
    "simulate",
    "lib",
    // the binary
    "cmd",
    "main",
];

/// A module: its path from the crate's root, and what its file imports.
struct Module {
    path: Vec<String>,
    file: PathBuf,
    text: String,
}

/// Every module but unit tests, by its path.
fn modules() -> BTreeMap<Vec<String>, Module> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    let mut modules = BTreeMap::new();
    let mut only_tests = BTreeSet::new();
    for file in files {
        let below = file.strip_prefix(&source).expect("below src").with_extension("");
        let mut path: Vec<String> =
            below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        path.pop_if(|last| last == "mod");
        let text = bare(&fs::read_to_string(&file).expect("readable"));
        for test in text.split("#[cfg(test)]").skip(1) {
            let name = test.trim_start().strip_prefix("mod ").and_then(|rest| rest.split_once(';'));
            // A unit test in a file of its own; "tests { ... }" is none.
            if let Some((name, _)) = name.filter(|(name, _)| !name.contains('{')) {
                let parent = if path == ["main"] { &[][..] } else { &path };
                only_tests.insert([parent, &[name.to_owned()]].concat());
            }
        }
        let unit_tests = text.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|at| {
            text[*at..].split('{').next().is_some_and(|head| head.ends_with("mod tests "))
        });
        let text = text[..unit_tests.unwrap_or(text.len())].to_owned();
        modules.insert(path.clone(), Module { path, file: below, text });
    }
    modules.retain(|path, _| !only_tests.iter().any(|tests| path.starts_with(tests)));
    modules
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Without comments and strings.
fn bare(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut in_string = false;
        let mut before = ' ';
        for (at, character) in line.char_indices() {
            if !in_string && line[at..].starts_with("//") {
                break;
            }
            if character == '"' && before != '\\' && before != '\'' {
                in_string = !in_string;
            }
            if !in_string {
                out.push(character);
            }
            before = character;
        }
        out.push('\n');
    }
    out
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn branches(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((stem, rest)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default();
        return vec![name.split("::").map(|part| part.trim().to_owned()).collect()];
    };
    let stem: Vec<String> = stem
        .split("::")
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for character in inner.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if character == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| branches(part)).map(|end| [&stem[..], &end].concat()).collect()
}

/// The trees behind each `use`, or only behind those that are seen from outside.
fn uses(text: &str, only_public: bool) -> Vec<Vec<String>> {
    let statements = text.split(';').filter_map(|statement| {
        let at = statement.rfind("use ")?;
        let before = statement[..at].trim_end();
        let public = before.ends_with("pub") || before.ends_with(')');
        let starts = before.is_empty() || public || before.ends_with(['}', '{', ']']);
        // The statement before it ended with the semicolon that was split at.
        (starts && (public || !only_public)).then(|| &statement[at + 4..])
    });
    statements.flat_map(branches).collect()
}

/// Paths in code that begin at a module: `super::broker::Broker`.
fn mentions(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for begin in ["crate::", "super::", "self::", "expressiond::"] {
        for (at, _) in text.match_indices(begin) {
            let before = text[..at].chars().next_back().unwrap_or(' ');
            // Neither a part of a longer path nor of `pub(in crate::...)`.
            if before.is_alphanumeric() || "_:".contains(before) || text[..at].ends_with("(in ") {
                continue;
            }
            let end = text[at..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            let path = text[at..at + end.unwrap_or(text.len() - at)].trim_end_matches(':');
            // `crate::{...}` is a tree that `uses` reads.
            if path.contains("::") {
                found.push(path.split("::").map(str::to_owned).collect());
            }
        }
    }
    found
}

/// The module in which what `path` names stands, seen from the module `from`.
fn target(
    modules: &BTreeMap<Vec<String>, Module>,
    from: &[String],
    path: &[String],
) -> Option<Vec<String>> {
    let library = |path: &[String]| path.to_vec();
    let absolute = match path.first()?.as_str() {
        "crate" if from.first().is_some_and(|room| room == "main") => library(&path[1..]),
        "crate" | "expressiond" => library(&path[1..]),
        "self" => [from, &path[1..]].concat(),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            [&from[..from.len().checked_sub(ups)?], &path[ups..]].concat()
        }
        child if modules.contains_key(&[from, &[child.to_owned()]].concat()) => {
            [from, path].concat()
        }
        // main.rs declares its modules at the root.
        child if from == ["main"] && modules.contains_key(&vec![child.to_owned()]) => path.to_vec(),
        _ => return None,
    };
    let module = (1..=absolute.len())
        .rev()
        .find_map(|end| modules.get(&absolute[..end].to_vec()))
        .or_else(|| modules.get(&vec!["lib".to_owned()]).filter(|_| absolute.is_empty()))?;
    // A name that the module only passes on stands in another.
    let passed_on = absolute.get(module.path.len()).and_then(|name| {
        let exports = uses(&module.text, true);
        exports.into_iter().find(|export| export.last() == Some(name))
    });
    match passed_on {
        Some(export) => {
            target(modules, &module.path, &export).or_else(|| Some(module.path.clone()))
        }
        None => Some(module.path.clone()),
    }
}

/// What each module imports of the others.
fn imports(modules: &BTreeMap<Vec<String>, Module>) -> BTreeMap<&[String], BTreeSet<Vec<String>>> {
    let mut imports = BTreeMap::new();
    for (path, module) in modules {
        // What a module passes on is its children's, not its own.
        let paths = uses(&module.text, false).into_iter().chain(mentions(&module.text));
        let targets = paths.filter_map(|other| target(modules, path, &other));
        imports.insert(&path[..], targets.filter(|other| other != path).collect());
    }
    imports
}

#[test]
fn no_room_imports_a_later_one() {
    let modules = modules();
    let rank = |path: &[String]| {
        let room = path.first().map_or("lib", String::as_str);
        let rank = ROOMS.iter().position(|known| *known == room);
        rank.unwrap_or_else(|| panic!("src/{room} has no place in ROOMS"))
    };
    let (mut upward, mut arrows) = (String::new(), 0);
    for (from, targets) in imports(&modules) {
        for to in targets {
            arrows += 1;
            if rank(&to) > rank(from) {
                let _ = writeln!(upward, "{} -> {}", from.join("::"), to.join("::"));
            }
        }
    }
    assert!(arrows > 300, "only {arrows} imports: are they still found?");
    assert!(upward.is_empty(), "imports against the flow:\n{upward}");
    let rooms: BTreeSet<_> = modules.keys().map(|path| rank(path)).collect();
    assert_eq!(rooms.len(), ROOMS.len(), "a room in ROOMS is gone");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let modules = modules();
    let imports = imports(&modules);
    let reached: BTreeMap<_, _> =
        imports.keys().map(|from| (*from, everything_behind(&imports, from))).collect();
    let mut circles = String::new();
    for (from, targets) in &imports {
        for to in targets.iter().filter(|to| reached[&to[..]].contains(*from)) {
            let _ = writeln!(circles, "{} -> {}", modules[*from].file.display(), to.join("::"));
        }
    }
    assert!(circles.is_empty(), "these files import each other in a circle:\n{circles}");
}

/// What `from` imports, and what that imports, and so on.
fn everything_behind<'a>(
    imports: &'a BTreeMap<&[String], BTreeSet<Vec<String>>>,
    from: &[String],
) -> BTreeSet<&'a [String]> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&[String]> = imports[from].iter().map(Vec::as_slice).collect();
    while let Some(module) = next.pop() {
        if seen.insert(module) {
            next.extend(imports[module].iter().map(Vec::as_slice));
        }
    }
    seen
}

#[test]
fn imports_are_read_as_rust_reads_them() {
    let paths = |text: &str| -> Vec<String> {
        uses(&bare(text), false).iter().map(|path| path.join("::")).collect()
    };
    let nested = "use a::{b, c::{self, d as e}};\n// use x::y;\npub(crate) use super::f;\n";
    assert_eq!(paths(nested), ["a::b", "a::c::self", "a::c::d", "super::f"]);
    let found = mentions(&bare("let x = super::broker::start(\"crate::y\", mycrate::z);"));
    assert_eq!(found, [["super", "broker", "start"]]);
}

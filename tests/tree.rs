//! The direction of imports, and the size of files: what keeps the tree readable.

use std::fs;
use std::path::{Path, PathBuf};

/// The top-level modules in the order of `src/lib.rs`: each may name only those above it.
#[cfg(test)]
fn order() -> Vec<String> {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    lib.lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
        .map(|rest| rest.split(';').next().unwrap().to_owned())
        .collect()
}

#[cfg(test)]
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// A file's code without comments and without its tests.
#[cfg(test)]
fn code(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix("src").unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The top-level modules that a line names: `crate::a::…`, `crate::{a, b::…}`.
#[cfg(test)]
fn named(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(list) = rest.strip_prefix('{') {
            let (mut depth, mut item) = (0, String::new());
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(word(std::mem::take(&mut item).trim())),
                    c if depth == 0 => item.push(c),
                    _ => {}
                }
            }
            names.push(word(item.trim()));
        } else {
            names.push(word(rest));
        }
    }
    names
}

#[test]
fn each_module_names_only_those_above_it() {
    let order = order();
    assert!(order.len() > 20, "the order in lib.rs is not read any more: {order:?}");
    let rank = |name: &str| order.iter().position(|module| module == name);
    let mut wrong = Vec::new();
    for path in sources(Path::new("src")) {
        let module = module_of(&path);
        let Some(own) = rank(&module) else { continue };
        let text = code(&path).join("\n");
        for name in named(&text) {
            if rank(&name).is_some_and(|other| other > own) {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_protocols_are_strangers() {
    for (module, strangers) in [("legacy", ["upstream", "provider"]), ("upstream", ["legacy", "provider"])] {
        for path in sources(&Path::new("src").join(module)) {
            let names = named(&code(&path).join("\n"));
            assert!(!names.iter().any(|name| strangers.contains(&name.as_str())), "{}", path.display());
        }
    }
}

#[test]
fn frameworks_stay_where_they_belong() {
    let rules: &[(&str, &[&str])] = &[
        ("axum", &["src/web/", "src/console/", "src/demo/", "src/process.rs"]),
        ("tower_sessions", &["src/web/session.rs"]),
        ("openidconnect", &["src/upstream/metadata.rs"]),
        ("reqwest", &["src/outbound.rs", "src/outbound/", "src/demo/"]),
        ("rusqlite", &["src/store/sqlite.rs", "src/store/sqlite/"]),
        ("sqlx", &["src/store/postgres.rs", "src/store/postgres/"]),
        ("redis", &["src/store/"]),
        ("moka", &["src/store/memory.rs", "src/limit.rs"]),
        ("stub_upstream", &["src/demo/"]),
    ];
    for path in sources(Path::new("src")) {
        let shown = path.display().to_string();
        let text = code(&path).join("\n");
        for (name, places) in rules {
            let named = text.contains(&format!("{name}::"));
            assert!(!named || places.iter().any(|place| shown.starts_with(place)), "{shown} names {name}");
        }
    }
}

#[test]
fn only_the_edge_reads_the_configuration() {
    let places = ["config", "app", "reload", "process", "cli", "demo"];
    for path in sources(Path::new("src")) {
        let module = module_of(&path);
        let text = code(&path).join("\n");
        let named = text.contains("config::Config") || text.contains("config::{") && text.contains("Config");
        assert!(!named || places.contains(&module.as_str()), "{} names Config", path.display());
    }
}

#[test]
fn files_stay_small() {
    let roots = ["src", "stub-upstream/src"];
    for path in roots.iter().flat_map(|root| sources(Path::new(root))) {
        let lines =
            fs::read_to_string(&path).unwrap().lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(lines <= 400, "{} has {lines} lines before its tests", path.display());
    }
}

#[test]
fn the_two_crates_share_no_code() {
    for path in sources(Path::new("stub-upstream/src")) {
        assert!(!fs::read_to_string(&path).unwrap().contains("relais::"), "{}", path.display());
    }
    let manifest = fs::read_to_string("stub-upstream/Cargo.toml").unwrap();
    assert!(!manifest.contains("relais"), "stub-upstream depends on relais");
}

#[test]
fn pages_escape_everything() {
    for path in sources(Path::new("src")) {
        assert!(!code(&path).join("\n").contains("PreEscaped"), "{} bypasses escaping", path.display());
    }
}

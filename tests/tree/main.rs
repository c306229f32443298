//! The direction of imports, and the size of files and handlers: what keeps the tree readable.

#[cfg(test)]
mod reader;
#[cfg(test)]
mod snippets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use reader::{File, Name, files, order};

/// What breaks a rule today. The list only shrinks: an exception that is no longer needed fails too.
const EXCEPTIONS: &[(&str, &[&str])] = &[("axum stays at the edge", &["src/process.rs: axum"])];

/// Asserts that `offences` are the exceptions of `rule`, no more and no fewer.
#[cfg(test)]
fn settle(rule: &str, offences: impl IntoIterator<Item = String>) {
    let found: BTreeSet<String> = offences.into_iter().collect();
    let listed = EXCEPTIONS.iter().find(|(name, _)| *name == rule).map(|(_, list)| *list).unwrap_or_default();
    let listed: BTreeSet<String> = listed.iter().map(|exception| (*exception).to_owned()).collect();
    let (wrong, settled): (Vec<_>, Vec<_>) =
        (found.difference(&listed).collect(), listed.difference(&found).collect());
    assert!(wrong.is_empty(), "{rule}, but: {wrong:#?}");
    assert!(settled.is_empty(), "{rule}: these exceptions are not needed any more: {settled:#?}");
}

/// The library's code, outside its tests.
#[cfg(test)]
static CODE: LazyLock<Vec<File>> =
    LazyLock::new(|| files(Path::new("src/lib.rs")).into_iter().filter(|file| !file.test).collect());

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

/// Which of the files for which `here` holds name what begins with which of `prefixes`.
#[cfg(test)]
fn offences(here: impl Fn(&File) -> bool, prefixes: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in CODE.iter().filter(|file| here(file)) {
        for prefix in prefixes.iter().filter(|prefix| file.names.iter().any(|name| name.is_in(prefix))) {
            found.push(format!("{}: {prefix}", file.path.display()));
        }
    }
    found
}

/// Whether a file is the module `of` (`front::legacy`), or in it.
#[cfg(test)]
fn is_of(file: &File, of: &str) -> bool {
    Name { path: file.module.clone(), line: 0 }.is_in(of)
}

#[test]
fn every_file_is_read() {
    for (root, dir) in [("src/lib.rs", "src"), ("stub-upstream/src/lib.rs", "stub-upstream/src")] {
        let mut read: BTreeSet<PathBuf> = files(Path::new(root)).into_iter().map(|file| file.path).collect();
        let main = Path::new(dir).join("main.rs");
        if main.exists() {
            read.extend(files(&main).into_iter().map(|file| file.path));
        }
        assert_eq!(read, sources(Path::new(dir)).into_iter().collect(), "a file that no module declares");
    }
}

#[test]
fn each_module_names_only_those_above_it() {
    let order = order(Path::new("src/lib.rs"));
    assert!(order.len() > 20, "the order in lib.rs is not read any more: {order:?}");
    let rank: BTreeMap<&str, usize> =
        order.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let mut wrong = Vec::new();
    for file in CODE.iter() {
        let Some(own) = file.module.first() else { continue };
        for name in file.names.iter().filter(|name| name.is_in("crate")) {
            match name.path.get(1).and_then(|other| rank.get(other.as_str())) {
                Some(other) if *other <= rank[own.as_str()] => {}
                _ => wrong.push(format!(
                    "{}:{} names {}",
                    file.path.display(),
                    name.line,
                    name.path.join("::")
                )),
            }
        }
    }
    settle("each module names only those above it", wrong);
}

#[test]
fn the_protocols_are_strangers() {
    let protocols = ["legacy", "upstream", "provider"];
    for own in protocols {
        let others = protocols.iter().filter(|other| **other != own).chain(&["broker", "front"]);
        let others: Vec<String> = others.map(|other| format!("crate::{other}")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        settle("protocols are strangers", offences(|file| is_of(file, own), &others));
    }
}

#[test]
fn the_broker_names_no_protocol_of_applications() {
    let protocols = ["crate::legacy", "crate::provider", "crate::front"];
    settle(
        "the broker names no protocol of applications",
        offences(|file| is_of(file, "broker"), &protocols),
    );
}

#[test]
fn the_fronts_are_strangers() {
    let fronts = CODE.iter().filter(|file| is_of(file, "front")).filter_map(|file| file.module.get(1));
    let fronts: BTreeSet<&String> = fronts.collect();
    for own in &fronts {
        let others =
            fronts.iter().filter(|other| *other != own).map(|other| format!("crate::front::{other}"));
        let others: Vec<String> = others.collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        settle("fronts are strangers", offences(|file| is_of(file, &format!("front::{own}")), &others));
    }
}

#[test]
fn axum_stays_at_the_edge() {
    let edge = ["web", "console", "demo"];
    let inside = |file: &File| !edge.iter().any(|module| is_of(file, module));
    settle("axum stays at the edge", offences(inside, &["axum", "axum_core"]));
}

#[test]
fn libraries_stay_where_they_belong() {
    let rules: &[(&str, &[&str])] = &[
        ("tower_sessions", &["src/web/session.rs"]),
        ("openidconnect", &["src/upstream/metadata.rs"]),
        ("jsonwebtoken", &["src/crypto/jwk.rs", "src/crypto/jwe.rs", "src/crypto/jws/"]),
        ("reqwest", &["src/outbound.rs", "src/outbound/", "src/demo/"]),
        ("rusqlite", &["src/store/sqlite.rs", "src/store/sqlite/"]),
        ("sqlx", &["src/store/postgres.rs", "src/store/postgres/"]),
        ("redis", &["src/store/redis.rs", "src/store/redis/"]),
        ("moka", &["src/store/memory.rs", "src/limit.rs"]),
        ("stub_upstream", &["src/demo/"]),
    ];
    for (library, places) in rules {
        let elsewhere =
            |file: &File| !places.iter().any(|place| file.path.to_str().unwrap().starts_with(place));
        settle("libraries stay where they belong", offences(elsewhere, &[library]));
    }
}

#[test]
fn only_the_edge_reads_the_configuration() {
    let places = ["config", "app", "reload", "process", "cli", "demo"];
    let elsewhere = |file: &File| !places.iter().any(|module| is_of(file, module));
    let config = ["crate::config::Config", "crate::config::*"];
    settle("only the edge reads the configuration", offences(elsewhere, &config));
}

/// A handler is whatever in `web` makes a response.
#[test]
fn handlers_are_short() {
    let web = CODE.iter().filter(|file| is_of(file, "web"));
    let handlers: Vec<_> = web
        .flat_map(|file| file.functions.iter().map(move |function| (file, function)))
        .filter(|(_, function)| ["Response", "Reply"].iter().any(|word| function.returns.contains(*word)))
        .collect();
    assert!(handlers.len() > 10, "the handlers are not read any more");
    let long = handlers.iter().filter(|(_, function)| function.lines > 25);
    settle(
        "handlers are short",
        long.map(|(file, function)| format!("{}: {}", file.path.display(), function.name)),
    );
}

#[test]
fn files_stay_small() {
    let roots = ["src/lib.rs", "src/main.rs", "stub-upstream/src/lib.rs"];
    let long = roots.iter().flat_map(|root| files(Path::new(root))).filter(|file| file.lines > 400);
    settle("files stay small", long.map(|file| format!("{}: {} lines", file.path.display(), file.lines)));
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
    settle("pages escape everything", offences(|_| true, &["PreEscaped", "maud::PreEscaped"]));
}

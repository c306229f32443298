//! What the dependencies may be, by `deny.toml`: their licences and sources, and each version beside another with
//! its reason. `cargo deny` reads the same file and knows more; this runs wherever cargo does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde::Deserialize;

#[derive(Deserialize)]
struct Deny {
    graph: Graph,
    licenses: Licenses,
    sources: Sources,
    bans: Bans,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    skip: Vec<Skip>,
}

#[derive(Deserialize)]
struct Skip {
    #[serde(rename = "crate")]
    version: String,
    reason: String,
}

/// One package that is compiled.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    license: String,
}

#[cfg(test)]
fn deny() -> Deny {
    toml::from_str(&fs::read_to_string("deny.toml").unwrap()).unwrap()
}

/// What is compiled along the `edges` (`normal,build,dev`) for the platforms of `deny.toml`, all features on.
#[cfg(test)]
fn packages(deny: &Deny, edges: &str) -> BTreeSet<Package> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--workspace", "--all-features", "--prefix=none", "--format={p}|{l}"]);
    cargo.args(["--edges", edges]);
    for target in &deny.graph.targets {
        cargo.args(["--target", target]);
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty()).map(|line| line.trim_end_matches(" (*)"));
    let packages = lines.map(|line| {
        let (package, license) = line.split_once('|').unwrap();
        let mut words = package.split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap().trim_start_matches('v'));
        Package { name: name.to_owned(), version: version.to_owned(), license: license.to_owned() }
    });
    let packages: BTreeSet<Package> = packages.collect();
    assert!(packages.len() > 100, "cargo tree is not read any more: {}", packages.len());
    packages
}

/// Whether the licence `expression` (SPDX) can be met with licences of `allowed`.
#[cfg(test)]
fn is_met(expression: &str, allowed: &[&String]) -> bool {
    let Ok(parsed) = spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX) else { return false };
    parsed.evaluate(|licence| allowed.iter().any(|name| licence.to_string() == **name))
}

#[test]
fn every_licence_is_listed() {
    let deny = deny();
    let mut used = BTreeSet::new();
    for package in packages(&deny, "normal,build,dev") {
        let own = deny.licenses.exceptions.iter().filter(|exception| exception.name == package.name);
        let allowed: Vec<&String> =
            own.flat_map(|exception| &exception.allow).chain(&deny.licenses.allow).collect();
        let Package { name, version, license } = &package;
        assert!(
            is_met(license, &allowed),
            "{name} {version} is under {license:?}, which deny.toml does not allow"
        );
        used.insert(package.name);
    }
    for exception in &deny.licenses.exceptions {
        assert!(used.contains(&exception.name), "{} is not used any more", exception.name);
    }
}

#[test]
fn licences_are_read_as_expressions() {
    let (mit, isc) = ("MIT".to_owned(), "ISC".to_owned());
    for (expression, met) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0 OR (MIT AND ISC)", true),
        ("MIT AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("", false),
        ("Freeware", false),
    ] {
        assert_eq!(is_met(expression, &[&mit, &isc]), met, "{expression}");
    }
}

#[test]
fn everything_comes_from_the_listed_registry() {
    let deny = deny();
    let lock: toml::Table = toml::from_str(&fs::read_to_string("Cargo.lock").unwrap()).unwrap();
    let packages = lock["package"].as_array().unwrap();
    let members = ["relais", "stub-upstream"];
    assert!(packages.len() > 100);
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let source = package.get("source").and_then(toml::Value::as_str);
        let listed = |source: &str| {
            let registry = source.strip_prefix("registry+");
            registry.is_some_and(|url| deny.sources.allow_registry.iter().any(|listed| listed == url))
        };
        assert!(source.map_or(members.contains(&name), listed), "{name} comes from {source:?}");
    }
}

#[test]
fn each_version_beside_another_has_its_reason() {
    let deny = deny();
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages(&deny, "normal,build") {
        versions.entry(package.name).or_default().push(package.version);
    }
    let mut excused = BTreeSet::new();
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let skip = |version: &&String| {
            deny.bans.skip.iter().find(|skip| {
                let (skipped, start) = skip.version.split_once('@').unwrap();
                skipped == name && version.strip_prefix(start).is_some_and(|rest| rest.starts_with('.'))
            })
        };
        let (skipped, left): (Vec<_>, Vec<_>) = versions.iter().partition(|version| skip(version).is_some());
        assert!(left.len() == 1, "of {name} there are {versions:?}: deny.toml says why of {skipped:?}");
        excused.extend(skipped.iter().filter_map(skip).map(|skip| &skip.version));
    }
    for skip in &deny.bans.skip {
        assert!(excused.contains(&skip.version), "{} is alone now: deny.toml need not skip it", skip.version);
        assert!(skip.reason.len() > 3, "{} has no reason", skip.version);
    }
}

//! What the documentation says about events and reasons is what the code has.
//! `UPDATE_DOCS=1 cargo test --test docs` writes it anew.

use std::fmt::Write as _;
use std::fs;

use relais::event::{Step, reasons};

#[cfg(test)]
fn events() -> String {
    let mut text = String::from(
        "# Events and reasons\n\
        \n\
        One event per step of a login, on standard output: `human` on a terminal, else one JSON object per line; or the lines\n\
        of [KIF's log](kif-log.md). The login's id (`login`) is the same from `/idp` to delivery and logout; `session` stands\n\
        for the browser's session. `client.address`, `client.port` and\n\
        `user_agent.original` say who called. Nothing personal or secret is in an event.\n\
        \n\
        A page that refuses shows a support code; the event with the same `support_code` has the exact reason.\n\
        \n\
        This page is made from the code.\n\
        \n\
        ## Steps\n\
        The target is `relais::` and the area: its level is `[event.levels]` `area`.\n\
        \n\
        | event | area | when |\n|---|---|---|\n",
    );
    for step in Step::ALL {
        let area = format!("{:?}", step.area()).to_lowercase();
        writeln!(text, "| `{}` | {area} | {} |", step.name(), step.about()).unwrap();
    }
    text += "\n## Reasons\n\n| code | reason | level | cause | what to do | KIF's trace |\n|---|---|---|---|---|---|\n";
    for reason in reasons::all() {
        let row = reason.row();
        let level = format!("{:?}", row.level).to_lowercase();
        let (code, slug) = (row.code, row.slug);
        let (en, advice, kif) = (pipe(row.en), pipe(row.advice), pipe(row.kif));
        writeln!(text, "| {code} | `{slug}` | {level} | {en} | {advice} | {kif} |").unwrap();
    }
    text
}

#[cfg(test)]
fn pipe(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn the_events_page_is_up_to_date() {
    let path = "docs/events.md";
    let made = events();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, &made).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap_or_default(), made, "run with UPDATE_DOCS=1");
}

/// The sentences of KIF that are no reason's own, in the order in which docs/kif-log.md has them.
const KIF_SENTENCES: &[&str] = &[
    "création de session […] ([…] sessions)",
    "destruction de session […] ([…] sessions)",
    "logout",
    "accès à /",
    "accès à /user",
    "accès à /idp",
    "accès à /idp: requête chiffrée […]",
    "accès à /idp: requête déchiffrée […]",
    "accès à /idp: redirection […]",
    "accès à /idp: exception […]",
    "authentication failure exception: […]",
    "Unable to obtain Access Token.  Token Endpoint returned",
    "Token Endpoint did not return an access_token",
    "Id Token Issuer is null",
    "Id Token does not have required expiration claim",
    "Id Token not valid untill",
    "Id Token does not have required issued-at claim",
    "Id token audience is null",
    "ID token did not contain a nonce claim",
];

/// docs/kif-log.md maps each sentence of KIF to an event and a reason of ours, and names none that is not there.
#[test]
fn every_sentence_of_kif_has_its_event() {
    let page = fs::read_to_string("docs/kif-log.md").unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let row = |sentence: &str| rows.iter().find(|row| row.starts_with(&format!("| `{sentence}` |")));
    for sentence in KIF_SENTENCES {
        assert!(row(sentence).is_some(), "docs/kif-log.md lacks {sentence:?}");
    }
    for reason in reasons::all().map(reasons::Reason::row).filter(|row| !row.kif.is_empty()) {
        let sentence = match reason.kif {
            "exception" => "accès à /idp: exception […]".to_owned(),
            kif if reason.code.starts_with('L') => format!("accès à /idp: {kif}"),
            // The code that a provider sends belongs to the values.
            kif => kif.trim_end_matches(": access_denied").to_owned(),
        };
        let found = row(&sentence).unwrap_or_else(|| panic!("docs/kif-log.md lacks {sentence:?}"));
        let named = found.contains(&format!("`{}`", reason.slug)) || reason.kif == "exception";
        assert!(named, "{sentence:?} does not name {}", reason.slug);
    }
    let known: Vec<_> =
        Step::ALL.iter().copied().map(Step::name).chain(reasons::all().map(reasons::Reason::slug)).collect();
    let areas = ["legacy", "broker", "upstream", "session", "server"];
    for name in page.split('`').filter(|name| {
        areas.iter().any(|area| name.strip_prefix(area).is_some_and(|rest| rest.starts_with('.')))
    }) {
        assert!(known.contains(&name), "docs/kif-log.md names {name:?}");
    }
}

#[test]
fn links_lead_somewhere() {
    let mut pages =
        vec!["README.md".into(), "CONTRIBUTING.md".into(), "SECURITY.md".into(), "CHANGELOG.md".into()];
    pages.extend(fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path()));
    for page in pages {
        let page: std::path::PathBuf = page;
        if page.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#']).next().unwrap();
            if !target.is_empty() && !target.starts_with("http") {
                let path = page.parent().unwrap().join(target);
                assert!(path.exists(), "{} links to {target}", page.display());
            }
        }
    }
}

/// Each point of KIF once, with one of the three verdicts; whatever is "same" is shown by something that exists.
#[test]
fn every_point_of_kif_is_judged_and_shown() {
    let page = fs::read_to_string("docs/kif-parity.md").unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit());
    let sources = sources();
    for (at, row) in rows.enumerate() {
        let cells: Vec<_> = row.split(" |").map(|cell| cell.trim_start_matches('|').trim()).collect();
        let [number, kif, verdict, here, shown, ""] = cells[..] else { panic!("six cells: {row}") };
        assert_eq!(number, (at + 1).to_string(), "{row}");
        assert!(!kif.is_empty(), "{row}");
        match verdict {
            "same" | "same, safer" => {
                assert!(!shown.is_empty(), "by what is it shown? {row}");
                for item in shown.split('`').skip(1).step_by(2) {
                    assert!(exists(&sources, item), "there is no {item}: {row}");
                }
            }
            "not" => assert!(!here.is_empty(), "why not? {row}"),
            other => panic!("{other} is no verdict: {row}"),
        }
    }
    assert_eq!(page.matches("\n| 164 |").count(), 1, "every point is there");
}

/// Each row says what people see and what is kept, and names tests that exist.
#[test]
fn every_fault_is_shown() {
    let page = fs::read_to_string("docs/faults.md").unwrap();
    let sources = sources();
    let mut rows = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.ends_with(" shown by |")) {
        let cells: Vec<_> = row.split(" |").map(|cell| cell.trim_start_matches('|').trim()).collect();
        let [fault, seen, kept, shown, ""] = cells[..] else { panic!("four cells: {row}") };
        assert!(![fault, seen, kept].contains(&""), "{row}");
        let tests: Vec<_> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "by what is it shown? {row}");
        for test in tests {
            assert!(exists(&sources, test), "there is no {test}: {row}");
        }
        rows += 1;
    }
    assert!(rows > 20, "the table is not read any more: {rows}");
}

/// `file::function`, or a path.
#[cfg(test)]
fn exists(sources: &[(String, String)], item: &str) -> bool {
    let Some((file, function)) = item.split_once("::") else { return fs::exists(item).unwrap() };
    let test = format!("fn {function}(");
    sources.iter().any(|(stem, text)| stem == file && text.contains(&test))
}

#[cfg(test)]
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders =
        vec!["src".into(), "tests".into(), "stub-upstream/src".into(), "stub-upstream/tests".into()];
    while let Some(folder) = folders.pop() {
        let folder: std::path::PathBuf = folder;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
                found.push((stem, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

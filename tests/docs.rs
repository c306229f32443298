//! What the documentation says about events and reasons is what the code has.
//! `UPDATE_DOCS=1 cargo test --test docs` writes it anew.

use std::fmt::Write as _;
use std::fs;

use relais::event::{Step, kif, reasons};
use relais::records;
use relais::store::Ephemeral;
use relais::web::{At, Audience, BodyKind, Caching, CrossOrigin, ROUTES, Route};

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
        What whoever likes can cause as often as they like (refusals of requests that belong to no login and to no session,\n\
        the home page) is sampled: of one event and reason and one address (IPv6: its /56) the first\n\
        `[event] burst_per_minute` are written, 60 if nothing else is configured, all if 0. When the minute ends, and when the\n\
        process stops, `server.events.left_out` says with the same `reason` and `client.address` how many were left out\n\
        (`count`) and which (`names`); beyond 4,096 addresses a minute, further ones share a count without an address. A page\n\
        whose event was left out shows a support code that no event has: look at what was left out of that address in\n\
        that minute. Events of a login, answers, sign-ins, the ends of sessions and orders about keys are always written.\n\
        \n\
        Where a library speaks while it serves a login, its line has the same `login`.\n\
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
    text += "\n## Reasons\n\n| code | reason | level | cause | what to do |\n|---|---|---|---|---|\n";
    for reason in reasons::all() {
        let row = reason.row();
        let level = format!("{:?}", row.level).to_lowercase();
        let (code, slug) = (row.code, row.slug);
        let (en, advice) = (pipe(row.en), pipe(row.advice));
        writeln!(text, "| {code} | `{slug}` | {level} | {en} | {advice} |").unwrap();
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

#[cfg(test)]
fn endpoints() -> String {
    let mut text = String::from(
        "# Endpoints of the public listener\n\
        \n\
        Paths stand below that of `public_url`; where the configuration names a path, it is the whole path below the host. Each\n\
        has one spelling, compared byte for byte: another is a 404. Another method is a 405 with `Allow`. Where a browser tells\n\
        where a request comes from (Fetch Metadata), the rule of the column *other sites* holds; one that tells nothing is\n\
        believed. A refusal speaks to the endpoint's reader: a page to a person, a status with an empty body to a server. The\n\
        management listener is in [operating](operating.md).\n\
        \n\
        This page is made from the code.\n\
        \n\
        | path | methods | what | reader | body | other sites | kept |\n|---|---|---|---|---|---|---|\n",
    );
    for route in ROUTES {
        let (at, methods, about) = (place(route), route.allow(), route.about);
        let reader = match route.audience {
            Audience::Browser => "browser",
            Audience::ClientServer => "application's server",
            Audience::Anyone => "anyone",
        };
        let body = match route.body {
            BodyKind::None => "",
            BodyKind::Form => "form",
        };
        let others = match route.cross_origin {
            CrossOrigin::SameOriginForm => "a form of our own page only",
            CrossOrigin::TopLevelNavigation => "a navigation of the whole window only",
            CrossOrigin::Question => "no frame; a navigation, or a form of our own page, ends something",
            CrossOrigin::Any => "anything",
        };
        let kept = match route.caching {
            Caching::Never => "never",
            Caching::Immutable => "for ever",
            Caching::KeyLifetime => "as long as the keys are good",
        };
        writeln!(text, "| {at} | {methods} | {about} | {reader} | {body} | {others} | {kept} |").unwrap();
    }
    text
}

#[cfg(test)]
fn place(route: &Route) -> String {
    match route.at {
        At::Path(path) => format!("`{path}`"),
        At::Configured { key, otherwise: None } => format!("that of `{key}`"),
        At::Configured { key, otherwise: Some(path) } => format!("that of `{key}`, else `{path}`"),
    }
}

#[test]
fn the_endpoints_page_is_up_to_date() {
    let path = "docs/endpoints.md";
    let made = endpoints();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, &made).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap_or_default(), made, "run with UPDATE_DOCS=1");
}

#[test]
fn the_page_of_stores_says_which_kind_is_durable() {
    let mut table = String::from(
        "| kind | `memory` | `memory` with `affinity` | `sqlite`, `postgres`, `redis` |\n|---|---|---|---|\n",
    );
    for kind in records::ALL {
        let [lost, of_each, kept] = [Ephemeral::Lost, Ephemeral::OfEachNode, Ephemeral::Kept]
            .map(|ephemeral| if kind.is_durable(ephemeral) { "durable" } else { "ephemeral" });
        writeln!(table, "| `{}` | {lost} | {of_each} | {kept} |", kind.name).unwrap();
    }
    assert!(fs::read_to_string("docs/stores.md").unwrap().contains(&table), "should be:\n{table}");
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
    for (reason, sentence) in kif::sentences() {
        let is_exception = sentence == kif::Sentence::Request("exception");
        let sentence = match sentence {
            kif::Sentence::Request("exception") => "accès à /idp: exception […]".to_owned(),
            kif::Sentence::Request(text) => format!("accès à /idp: {text}"),
            // The code that a provider sends belongs to the values.
            kif::Sentence::Exception { text, .. } => text.trim_end_matches(": access_denied").to_owned(),
        };
        let found = row(&sentence).unwrap_or_else(|| panic!("docs/kif-log.md lacks {sentence:?}"));
        let named = found.contains(&format!("`{}`", reason.slug())) || is_exception;
        assert!(named, "{sentence:?} does not name {}", reason.slug());
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

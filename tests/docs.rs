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
        One event per step of a login, on standard output: `human` on a terminal, else one JSON object per line. The\n\
        login's id (`login`) is the same from `/idp` to delivery and logout. `client.address`, `client.port` and\n\
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

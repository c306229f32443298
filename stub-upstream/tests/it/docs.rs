//! The page holds the program's own tables, and applications that are tested; `UPDATE_DOCS=1` writes them anew.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use stub_upstream::{FAULTS, PROFILES, Personas, Stage};

use crate::harness::World;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/stub-upstream.md");

/// A file of the repository as a block of code.
fn code(language: &str, file: &str) -> String {
    let text = fs::read_to_string(format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    format!("```{language}\n{text}```\n")
}

fn profiles() -> String {
    let mut table = String::from("| |");
    for profile in PROFILES {
        write!(table, " `{}` |", profile.name).unwrap();
    }
    write!(table, "\n|---|{}\n", "---|".repeat(PROFILES.len())).unwrap();
    let features: Vec<_> = PROFILES.iter().map(|profile| profile.features()).collect();
    for (row, (name, _)) in features[0].iter().enumerate() {
        write!(table, "| {name} |").unwrap();
        for one in &features {
            write!(table, " {} |", one[row].1).unwrap();
        }
        table.push('\n');
    }
    table
}

fn personas() -> String {
    let people = Personas::bundled().unwrap();
    let row = |table: String, person: &std::sync::Arc<stub_upstream::Persona>| {
        format!("{table}| `{}` | {} |\n", person.id, person.about.en)
    };
    people.iter().fold("| login | good for |\n|---|---|\n".to_owned(), row)
}

fn faults() -> String {
    let mut table = String::new();
    for stage in Stage::ALL {
        write!(
            table,
            "\n**{}**\n\n| fault | on the wire | what your client should have done |\n|---|---|---|\n",
            stage.name()
        )
        .unwrap();
        for fault in FAULTS.iter().filter(|fault| fault.stage() == *stage) {
            writeln!(table, "| `{}` | {} | {} |", fault.name(), fault.about(), fault.advice()).unwrap();
        }
    }
    table.trim_start().to_owned()
}

async fn operations() -> String {
    let document = World::new().get("/_stub/api/v1/openapi.json").await.json();
    let mut table = String::from("| operation | what it does | body |\n|---|---|---|\n");
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters")
        {
            let example = operation["requestBody"]["content"]["application/json"]["example"].to_string();
            let body = match (&operation["requestBody"], example.as_str()) {
                (Value::Null, _) => String::new(),
                (_, "null") => "TOML".to_owned(),
                (_, json) => format!("`{json}`"),
            };
            let summary = operation["summary"].as_str().unwrap();
            writeln!(table, "| `{} {path}` | {summary} | {body} |", method.to_uppercase()).unwrap();
        }
    }
    table
}

async fn error_logins() -> String {
    let all = World::new().get("/_stub/api/v1/error-logins").await.json();
    let mut table =
        String::from("| login | status | the link back says | what happened |\n|---|---|---|---|\n");
    for one in all.as_array().unwrap() {
        let text = |name: &str| one[name].as_str().unwrap();
        writeln!(
            table,
            "| `{}` | {} | `{}` | {} |",
            text("login"),
            one["status"],
            text("error"),
            text("about")
        )
        .unwrap();
    }
    table
}

#[tokio::test]
async fn the_tables_are_the_programs() {
    let page = fs::read_to_string(PAGE).unwrap();
    let mut wanted = page.clone();
    let (node, python) = ("tests/foreign/openid_client_app.mjs", "tests/foreign/authlib_app.py");
    let tables = [
        ("profiles", profiles()),
        ("personas", personas()),
        ("error logins", error_logins().await),
        ("operations", operations().await),
        ("faults", faults()),
        (node, code("js", node)),
        (python, code("python", python)),
    ];
    for (name, table) in tables {
        let (begin, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- {name}: end -->"));
        let start = wanted.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
        let stop = wanted.find(&end).unwrap_or_else(|| panic!("no {end}"));
        wanted.replace_range(start..stop, &table);
    }
    let counted = format!("{} faults", FAULTS.len());
    assert!(page.contains(&counted), "the page says how many: {counted}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, wanted).unwrap();
    } else {
        assert!(page == wanted, "docs/stub-upstream.md: run with UPDATE_DOCS=1");
    }
}

//! Every row of the bad inputs that this relay answers has a test that names it.

use std::fs;

/// Rows that come with the issue of the provider.
fn is_later(id: &str, endpoint: &str) -> bool {
    let ours = ["/idp", "/callback", "/logout", "every endpoint"];
    let provider = !ours.iter().any(|start| endpoint.starts_with(start));
    let of_the_provider = [
        // RP-Initiated Logout toward our own clients, and back-channel logout.
        "OUT-03", "OUT-04", "OUT-06", "OUT-07", "OUT-09", "OUT-10", "OUT-18", "OUT-19", "OUT-21", "OUT-22",
        "OUT-24", "OUT-25", // JSON bodies.
        "ALL-19",
    ];
    provider || of_the_provider.contains(&id)
}

#[test]
fn every_row_is_played() {
    let mut tests = String::new();
    for path in [
        "tests/it",
        "tests",
        "tests/it/harness",
        "tests/it/fault_reactions",
        "tests/it/field",
        "src/upstream",
        "src/upstream/tests",
        "src/legacy",
        "src/config",
        "src/config/check",
    ] {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("coverage.rs") {
                tests += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let rows = include_str!("../vectors/bad-inputs.tsv");
    let (mut missing, mut played) = (Vec::new(), 0);
    for row in rows.lines().skip(1) {
        let mut columns = row.split('\t');
        let (id, endpoint, input) =
            (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap());
        if is_later(id, endpoint) {
            continue;
        }
        if tests.contains(&format!("{id}\""))
            || tests.contains(&format!("{id}:"))
            || tests.contains(&format!("{id} "))
        {
            played += 1;
        } else {
            missing.push(format!("{id}\t{input}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(played > 80, "{played}");
}

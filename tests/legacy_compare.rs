//! `relais legacy compare` over everything that the original KIF was seen to do.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{Permissions, set_permissions, write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use relais::clock::Timestamp;
use relais::entropy::SystemEntropy;
use relais::legacy::wires::{self, Keyed};
use relais::legacy::{Direction, MasterKey, compare};
use relais::service::ServiceId;
use serde_json::{Value, json};

const APPS: [&str; 2] = ["cbc", "gcm"];
const IV: &str = "00112233445566778899aabbccddeeff";

fn key(app: &str) -> String {
    hex::encode(relais::crypto::hash::sha256(&[app.as_bytes()]))
}

fn keyed(app: &str, key: &str, iv: &str) -> Box<dyn Keyed> {
    let wire = wires::find(&format!("kif-{app}")).unwrap();
    let iv = hex::decode(iv).unwrap().try_into().unwrap();
    wire.keyed(&MasterKey::from_hex(key).unwrap(), &ServiceId::parse("a").unwrap(), Some(iv)).unwrap()
}

/// From the keys that KIF publishes, which no configuration takes, to ours.
fn sealed_anew(app: &str, text: &str) -> String {
    let published = concat!("a6a7ee7abe681c9c4cede8e3366a9ded", "96b92668ea5e26a31a4b0856341ed224");
    let (from, to) = (keyed(app, published, "87b7225d16ea2ae1f41d0b13fdce9bba"), keyed(app, &key(app), IV));
    let mut anew = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let end = rest[start..].find(|c: char| !c.is_ascii_hexdigit()).map_or(rest.len(), |at| start + at);
        let (before, run) = (&rest[..start], &rest[start..end]);
        anew += before;
        match from.open(Direction::Request, run) {
            Ok(opened) if run.len() >= 32 => {
                let now = Timestamp::from_seconds(0);
                let sealed = to.seal(Direction::Request, now, &SystemEntropy::new(), &opened.plaintext);
                anew += &if run.contains('C') { sealed.to_uppercase() } else { sealed };
            }
            _ => anew += run,
        }
        rest = &rest[end..];
    }
    anew + rest
}

fn everywhere(value: &mut Value, change: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(list) => list.iter_mut().for_each(|value| everywhere(value, change)),
        Value::Object(members) => members.values_mut().for_each(|value| everywhere(value, change)),
        _ => {}
    }
}

/// What KIF did, under our keys.
fn golden() -> Value {
    let mut file: Value = serde_json::from_str(include_str!("vectors/kif-golden.json")).unwrap();
    for scenario in file["scenarios"].as_array_mut().unwrap() {
        let app = scenario["id"].as_str().unwrap()[..3].to_owned();
        for part in ["steps", "log"] {
            everywhere(&mut scenario[part], &|text| sealed_anew(&app, text));
        }
        scenario["app"] = app.into();
    }
    file
}

/// The claims of the recording but for those of its one scenario with more.
const CLAIMS: &str = "claims = [\"gender\", \"birthdate\", \"birthcountry\", \"birthplace\", \"given_name\", \
    \"family_name\", \"email\", \"address\"]\naccept_forgeable_identities = true\n";
const CALLBACK: &str =
    "callbacks = [{ url = \"https://fenyo.net/fc/identite.cgi\", query_keys = [\"x\"] }]\n";

struct Place(tempfile::TempDir);

impl Place {
    /// A configuration of both applications, each with these lines.
    fn new(lines: &[&str]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let mut toml = "[server]\npublic_url = \"https://relais.example\"\n\
            [upstream.fc]\nprofile = \"franceconnect_v2\"\nissuer = \"https://fc.example\"\nclient_id = \"x\"\n\
            client_secret_file = \"fc.secret\"\n"
            .to_owned();
        place.secret("fc.secret", "s3cret");
        for app in APPS {
            place.secret(&format!("{app}.key"), &key(app));
            let section = format!(
                "[legacy.{app}]\nname = \"{app}\"\nhome_url = \"https://fenyo.net/\"\nupstream = \"fc\"\n\
                 wire = \"kif-{app}\"\niv = \"{IV}\"\nkey_file = \"{app}.key\"\n\
                 sunset = \"2099-01-01T00:00:00Z\"\nmax_answer_query = 4000\n{}",
                lines.concat()
            );
            toml += &section;
        }
        write(place.path("relais.toml"), toml).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn secret(&self, name: &str, text: &str) {
        write(self.path(name), text).unwrap();
        set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    fn compare(&self, file: &str, more: &[&str]) -> Output {
        write(self.path("kif.json"), file).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
        command.args(["legacy", "compare"]).arg(self.path("kif.json"));
        command.arg("--config").arg(self.path("relais.toml")).args(more).output().unwrap()
    }

    /// The exit code, and the kinds and rows of each exchange.
    fn found(&self, file: &Value) -> (i32, BTreeMap<String, Vec<String>>) {
        let output = self.compare(&file.to_string(), &["--json"]);
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        let mut found = BTreeMap::new();
        for app in report["applications"].as_array().unwrap() {
            for exchange in app["exchanges"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap_or("!").to_owned();
                let kinds = exchange["findings"].as_array().unwrap().iter().map(|finding| {
                    assert_eq!(
                        finding["to_settle"] == true,
                        report["to_settle"] != 0 && {
                            let kind = text(&finding["kind"]);
                            finding["rule"].is_null()
                                && !["same", "both_refuse", "not_compared"].contains(&&*kind)
                        }
                    );
                    match text(&finding["rule"]).as_str() {
                        "!" => text(&finding["kind"]),
                        rule => format!("{}[{rule}]", text(&finding["kind"])),
                    }
                });
                let name = format!("{} {}", text(&exchange["scenario"]), exchange["exchange"]);
                found.insert(name, kinds.collect());
            }
        }
        (output.status.code().unwrap(), found)
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Where the relay answers otherwise than KIF, `acr` and repeated messages apart.
const OTHERWISE: &[(&str, &[&str])] = &[
    ("cbc-035-auth-prefix-port 1", &["accepted_here[idp-034]"]),
    ("cbc-038-auth-dup-nonce-state 1", &["refused_here[idp-004]"]),
    ("cbc-039-auth-nonce-noeq 1", &["refused_here[idp-005]"]),
    ("cbc-040-auth-empty-nonce-state 1", &["refused_here[idp-007]"]),
    ("cbc-041-auth-pct-name 1", &["refused_here[names]"]),
    ("cbc-043-auth-pct-bad 1", &["refused_here[idp-016]"]),
    ("cbc-048-auth-other-params-info 1", &["refused_here[idp-023]"]),
    ("cbc-050-auth-fragment 1", &["refused_here[idp-025]"]),
    ("cbc-055-auth-json-escapes-lt 1", &["refused_here[idp-020]"]),
    ("cbc-059-auth-braces-empty 1", &["refused_here[idp-040]"]),
    ("cbc-070-auth-idp-slash 1", &["refused_here[path]"]),
    ("cbc-144-up-ui-emptyobject 1", &["refused_here[sub]"]),
    ("cbc-146-up-ui-sub-absent 1", &["refused_here[sub]"]),
    ("cbc-147-up-ui-sub-empty 1", &["refused_here[sub]"]),
    ("cbc-149-up-ui-extra-claims 1", &["claims_differ"]),
    ("cbc-153-up-ui-fullwidth-json-escape 1", &["spelling_differs[escapes]"]),
];

/// What every answer of the recording has besides: KIF handed `acr` on, and the same message came again.
const EVERYWHERE: [&str; 2] = ["claims_differ[acr]", "refused_here[once]"];

/// Scenarios in which KIF's upstream misbehaved or nobody signed in: the recording does not show the tokens.
fn is_upstream_s(scenario: &str) -> bool {
    ["-callback-", "-cancel-", "-unknown-error-", "-up-"].iter().any(|part| scenario.contains(part))
}

#[test]
fn every_scenario_of_the_running_kif_has_its_verdict() {
    let (code, found) = Place::new(&[CALLBACK, CLAIMS]).found(&golden());
    assert_eq!(code, 1, "three claims of one scenario are not in the configuration");
    let expected: BTreeMap<&str, &[&str]> = OTHERWISE.iter().copied().collect();
    let mut counts = BTreeMap::new();
    for (exchange, kinds) in &found {
        let rest: Vec<_> =
            kinds.iter().map(String::as_str).filter(|kind| !EVERYWHERE.contains(kind)).collect();
        let answered = kinds.iter().any(|kind| kind == EVERYWHERE[0]);
        let class = match expected.get(exchange.as_str()) {
            Some(expected) => {
                assert_eq!(rest, *expected, "{exchange}");
                "otherwise"
            }
            None if answered => {
                assert_eq!(rest, [""; 0], "{exchange}");
                "answered"
            }
            None if rest == ["not_compared"] => {
                assert!(is_upstream_s(exchange), "{exchange}");
                "not compared"
            }
            None => {
                assert_eq!(rest, ["both_refuse"], "{exchange}");
                assert!(!is_upstream_s(exchange), "{exchange}");
                "both refuse"
            }
        };
        *counts.entry(class).or_insert(0) += 1;
    }
    let expected = [("answered", 18), ("both refuse", 42), ("not compared", 42), ("otherwise", 16)];
    assert_eq!(counts, BTreeMap::from(expected));
    let scenarios: BTreeSet<_> = found.keys().map(|key| key.split(' ').next().unwrap()).collect();
    assert_eq!(scenarios.len() + 12, 123, "12 scenarios hold no exchange");
}

#[test]
fn the_page_of_differences_has_a_row_for_every_rule() {
    let page = include_str!("../docs/kif-differences.md");
    for rule in compare::RULES {
        assert!(
            page.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{rule}`"))),
            "{rule}"
        );
    }
    let used: BTreeSet<_> = OTHERWISE
        .iter()
        .flat_map(|(_, kinds)| *kinds)
        .chain(&EVERYWHERE)
        .filter_map(|kind| kind.split_once('['))
        .collect();
    assert!(used.iter().all(|(_, rule)| compare::RULES.contains(&rule.trim_end_matches(']'))));
}

/// A message and an answer of KIF in plain form, under our keys.
fn plain(id: &str, app: &str, url: &str, answer: &str) -> Value {
    let seal = |direction, text: &str| {
        let now = Timestamp::from_seconds(0);
        keyed(app, &key(app), IV).seal(direction, now, &SystemEntropy::new(), text.as_bytes())
    };
    json!({ "id": id, "msg": seal(Direction::Request, url), "info": seal(Direction::Response, answer) })
}

const URL: &str = "https://fenyo.net/fc/identite.cgi?nonce=n-secret&state=s-secret&x=1";
const ANSWER: &str =
    r#"{"sub":"sub-secret","given_name":"Éric-secret","nonce":"n-secret","state":"s-secret"}"#;

fn only(scenarios: &[Value]) -> Value {
    json!({ "scenarios": scenarios })
}

#[test]
fn plain_records_find_their_application_by_its_key() {
    let place = Place::new(&[CALLBACK, CLAIMS]);
    for app in APPS {
        let mut one = plain("one", app, URL, ANSWER);
        let info = one["info"].as_str().unwrap().to_owned();
        assert_eq!(place.found(&only(&[one.clone()])), (0, found("one", &["same"])), "{app}");
        one["location"] = format!("{URL}&info={info}").into();
        let output = place.compare(&only(&[one.clone()]).to_string(), &[]);
        assert_eq!(said(&output), format!("{app}: 1 exchange, 0 to settle\n      1  same\n"));
        one["location"] = format!("{URL}&y=2&info={info}").into();
        assert_eq!(place.found(&only(&[one.clone()])), (1, found("one", &["address_differs"])));
        // What the upstream said, where it is known, counts and not what KIF made of it.
        let mut one = plain("one", app, URL, ANSWER);
        one["userinfo"] = json!({ "given_name": "Erica", "sub": "sub-secret", "email": "e-secret" });
        let kinds = ["claims_differ", "values_differ"];
        assert_eq!(place.found(&only(&[one])), (1, found("one", &kinds)));
        let later = ANSWER.replace(
            r#""sub":"sub-secret","given_name":"Éric-secret""#,
            r#""given_name":"Éric-secret","sub":"sub-secret""#,
        );
        let one = plain("one", app, URL, &later);
        assert_eq!(place.found(&only(&[one])), (0, found("one", &["order_differs[order]"])));
        // The same message twice is a replay, in either case.
        let (first, mut second) = (plain("one", app, URL, ANSWER), plain("two", app, URL, ANSWER));
        second["msg"] = second["msg"].as_str().unwrap().to_uppercase().into();
        let (code, both) = place.found(&only(&[first, second]));
        assert_eq!(
            (code, both["two 1"].as_slice()),
            (0, &["refused_here[once]".to_owned(), "same".to_owned()][..])
        );
    }
}

fn found(id: &str, kinds: &[&str]) -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([(format!("{id} 1"), kinds.iter().map(|&kind| kind.to_owned()).collect())])
}

#[test]
fn what_the_configuration_settles_is_told_and_exits_with_1() {
    let other = "callbacks = [\"https://fenyo.net/other\"]\n";
    let no_keys = "callbacks = [\"https://fenyo.net/fc/identite.cgi\"]\n";
    let reference = "delivery = \"reference\"\nclaims = [\"given_name\"]\n";
    let added = format!("{CLAIMS}relay_claims = [\"iat\"]\n");
    let cases: [(&[&str], i32, &[&str], &str); 6] = [
        (&[other, CLAIMS], 1, &["refused_here"], "legacy.callback_outside"),
        (&[no_keys, CLAIMS], 1, &["refused_here"], "(x)"),
        (&[CALLBACK, "accept_forgeable_identities = true\n"], 1, &["claims_differ"], "given_name"),
        (&[CALLBACK, reference], 0, &["same_but_delivery[reference]"], "/idp/claim"),
        (&[CALLBACK, &added], 0, &["claims_differ[relay_claims]"], "iat"),
        (&[CALLBACK, CLAIMS, "enabled = false\n"], 1, &["refused_here"], "legacy.disabled_app"),
    ];
    for (lines, code, kinds, why) in cases {
        let place = Place::new(lines);
        let mut one = plain("one", "gcm", URL, ANSWER);
        one["app"] = "gcm".into();
        assert_eq!(place.found(&only(&[one.clone()])), (code, found("one", kinds)), "{lines:?}");
        assert!(said(&place.compare(&only(&[one]).to_string(), &[])).contains(why), "{lines:?}");
    }
    let place = Place::new(&[CALLBACK, CLAIMS]);
    place.secret("gcm.key", &key("another"));
    let one = plain("one", "gcm", URL, ANSWER).to_string();
    let file = format!("{{\"scenarios\": [{one}]}}");
    let output = place.compare(&file, &["--app", "gcm"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("! one #1 key_does_not_open: legacy.does_not_open"), "{}", said(&output));
}

#[test]
fn a_broken_file_is_explained_and_nothing_else_is_said() {
    let place = Place::new(&[CALLBACK, CLAIMS]);
    let good = plain("one", "gcm", URL, ANSWER);
    let with = |name: &str, value: Value| {
        let mut one = good.clone();
        one[name] = value;
        only(&[good.clone(), one]).to_string().replacen("\"one\"", "\"zero\"", 1)
    };
    let cases = [
        ("{\n \"scenarios\": [}".to_owned(), "line 2, column 16: is no JSON: "),
        ("[]".to_owned(), "the file: is no object with a list `scenarios`"),
        (with("id", Value::Null), "scenario 2: has no `id`"),
        (with("id", "zero".into()), "scenario 2 (zero): has the `id` of an earlier one"),
        (with("mgs", "x".into()), "scenario 2 (one): has a member \"mgs\"; known are id, app, msg"),
        (with("error", "x".into()), "scenario 2 (one): must have one of `info` and `error`"),
        (with("info", 7.into()), "scenario 2 (one): has a `info` that is no text"),
        (
            with("location", "https://x".into()),
            "scenario 2 (one): has a `location` that does not end in its `info`",
        ),
        (with("steps", json!([{"url": "R/idp"}])), "scenario 2 (one): has a member \"msg\""),
        (
            only(&[json!({"id": "s", "steps": [{"method": "GET", "url": "R/idp"}]})]).to_string(),
            "scenario 1 (s): has a step 1 without `status`",
        ),
    ];
    for (file, expected) in cases {
        let output = place.compare(&file, &[]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{expected}");
        assert!(said(&output).contains(expected), "{} instead of {expected}", said(&output));
        assert_eq!(said(&output).lines().count(), 1);
        assert!(!said(&output).contains(good["msg"].as_str().unwrap()));
    }
    assert_eq!(place.compare("{}", &["--app", "none"]).status.code(), Some(2));
    write(place.path("relais.toml"), "[server]\n").unwrap();
    assert_eq!(place.compare(&only(&[]).to_string(), &[]).status.code(), Some(78));
}

/// Every value of the recording, at any depth, that is long enough to be one.
fn values(of: &Value, into: &mut BTreeSet<String>) {
    match of {
        Value::String(text) => {
            into.insert(text.clone());
        }
        Value::Array(list) => list.iter().for_each(|value| values(value, into)),
        Value::Object(members) => members.values().for_each(|value| values(value, into)),
        _ => {}
    }
}

/// Whether a value is in a report: anywhere, or as a word of its own if some hash may have its few digits by chance.
fn holds(report: &str, value: &str) -> bool {
    let by_chance = value.len() < 12 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut words = report.split(|c: char| !c.is_ascii_alphanumeric());
    if by_chance { words.any(|word| word == value) } else { report.contains(value) }
}

#[test]
fn no_value_of_the_recording_is_said_and_no_hash_is_said_twice() {
    let place = Place::new(&[CALLBACK, "accept_forgeable_identities = true\n"]);
    let file = golden();
    let mut secret = BTreeSet::new();
    for scenario in file["scenarios"].as_array().unwrap() {
        if let Some(answer) = scenario["result"]["info_decrypted"].as_str() {
            values(&serde_json::from_str(answer).unwrap(), &mut secret);
        }
        for step in scenario["steps"].as_array().unwrap() {
            for part in ["url", "location"] {
                let text = step[part].as_str().unwrap_or_default();
                let query = text.split_once('?').map_or("", |(_, query)| query);
                secret.extend(query.split(['&', '=']).map(str::to_owned));
            }
        }
    }
    // Names of parameters, of the scenarios' own ids, and values that say nothing.
    secret.retain(|value| value.len() >= 4 && !["state", "nonce", "info"].contains(&value.as_str()));
    for value in ["code", "error", "scope", "client_id", "second", "exchange"] {
        secret.remove(value);
    }
    assert!(secret.len() > 100 && secret.contains("YWxhY3JpdMOp") && secret.contains("Mercier"));
    let text = file.to_string();
    let reports = [&["--json"][..], &[], &["--json"]].map(|more| said(&place.compare(&text, more)));
    for report in &reports {
        assert!(report.len() > 10_000 && report.contains("cbc-149"));
        for value in &secret {
            assert!(!holds(report, value), "{value} is in the report");
        }
    }
    let hashes = |report: &str| -> BTreeSet<String> {
        let report: Value = serde_json::Deserializer::from_str(report).into_iter().next().unwrap().unwrap();
        let mut found = BTreeSet::new();
        for app in report["applications"].as_array().unwrap() {
            for exchange in app["exchanges"].as_array().unwrap() {
                found.extend(
                    exchange["hashes"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|hash| hash["hash"].as_str().unwrap().to_owned()),
                );
            }
        }
        found
    };
    let (first, second) = (hashes(&reports[0]), hashes(&reports[2]));
    assert!(
        first.len() > 20 && first.len() == second.len(),
        "equal values have equal hashes within a report"
    );
    assert!(first.is_disjoint(&second), "and in no other");
}

//! KIF's own messages: reproduced byte for byte where KIF is sound, refused where this relay differs on purpose.

use std::collections::BTreeMap;
use std::time::Duration;

use relais::clock::Timestamp;
use relais::entropy::SystemEntropy;
use relais::identity::{Identity, Retention, Subject};
use relais::legacy::wires::{self, Keyed, Wire};
use relais::legacy::{self, App, AppKey, CallbackRule, Delivery, Direction, MasterKey};
use relais::service::{Service, ServiceId, Sso};
use serde_json::Value;

/// What `/idp` does otherwise than KIF, in both modes; each stands in docs/kif-differences.md with its reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("idp-004", "legacy.parameter_twice"),
    ("idp-005", "legacy.query_malformed"),
    ("idp-007", "legacy.value_length"),
    ("idp-014", "legacy.query_malformed"),
    ("idp-016", "legacy.query_malformed"),
    ("idp-017", "legacy.query_malformed"),
    ("idp-019", "legacy.not_ascii"),
    ("idp-020", "legacy.query_malformed"),
    ("idp-023", "legacy.reserved_present"),
    ("idp-025", "legacy.callback_invalid"),
    ("idp-034", "accepted"),
    ("idp-035", "accepted"),
    ("idp-037", "legacy.not_ascii"),
    ("idp-038", "legacy.not_ascii"),
    ("idp-040", "legacy.query_malformed"),
    ("idp-041", "legacy.query_malformed"),
    ("idp-050", "legacy.callback_outside"),
    ("idp-052", "legacy.callback_invalid"),
    ("idp-053", "legacy.callback_outside"),
    ("idp-neg-013", "legacy.not_ascii"),
];

/// Messages that KIF's client opens and this relay's wires do not, or whose key or IV it does not take.
const OTHERWISE: &[&str] = &[
    "fresh-request-005",
    "fresh-response-058",
    "negative-082",
    "negative-106",
    "negative-107",
    "negative-109",
];

fn rows() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../vectors/kif-vectors.json")).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn text<'a>(row: &'a Value, name: &str) -> Option<&'a str> {
    row[name].as_str()
}

fn wire(row: &Value) -> &'static dyn Wire {
    wires::find(if row["mode"] == "AES-256-GCM" { "kif-gcm" } else { "kif-cbc" }).unwrap()
}

fn keyed(row: &Value) -> Option<Box<dyn Keyed>> {
    let key = MasterKey::from_hex(text(row, "key")?).ok()?;
    let iv = hex::decode(text(row, "iv")?).ok()?.try_into().ok()?;
    wire(row).keyed(&key, &ServiceId::parse("a").unwrap(), Some(iv))
}

#[test]
fn every_message_of_kif_and_of_its_client() {
    let (mut reproduced, mut refused, mut otherwise) = (0, 0, Vec::new());
    let rows = rows();
    for row in rows.iter().filter(|row| !text(row, "set").unwrap().starts_with("idp")) {
        let (id, sealed) = (text(row, "id").unwrap(), text(row, "hex").unwrap());
        let direction =
            if row["direction"] == "app-to-relay" { Direction::Request } else { Direction::Response };
        let Some(keyed) = keyed(row) else {
            otherwise.push(id);
            continue;
        };
        let opened = keyed.open(direction, sealed);
        if let Some(plaintext) = text(row, "plaintext_hex") {
            let plaintext = hex::decode(plaintext).unwrap();
            let now = Timestamp::from_seconds(0);
            assert_eq!(keyed.seal(direction, now, &SystemEntropy::new(), &plaintext), sealed, "{id}");
            assert_eq!(opened.unwrap().plaintext, plaintext, "{id}");
            reproduced += 1;
            continue;
        }
        // What KIF's client opens, this opens; what then is no JSON is the reader's business.
        let client = row["original_client"].to_string();
        let opens = client.contains("ok") || client.contains("JsonSyntax");
        match (opened.is_ok(), opens) {
            (true, true) => reproduced += 1,
            (false, false) => refused += 1,
            (false, true) => otherwise.push(id),
            (true, false) => panic!("{id} opens, and KIF refuses it: {client}"),
        }
    }
    assert_eq!(otherwise, OTHERWISE);
    assert_eq!(reproduced + refused + otherwise.len(), 85, "{reproduced} {refused}");
}

fn app(row: &Value) -> App {
    let (id, wire) = (ServiceId::parse("a").unwrap(), wire(row));
    let key = MasterKey::from_hex(text(row, "key").unwrap()).unwrap();
    let iv = hex::decode(text(row, "iv").unwrap()).unwrap().try_into().unwrap();
    let prefix = text(row, "redirecturi_prefix").unwrap_or("").trim_end_matches('?');
    let url = if prefix.is_empty() { "https://fenyo.net/fc/identite.cgi" } else { prefix };
    let keys = ["lang", "page", "p", "x"].map(str::to_owned).to_vec();
    App {
        keys: vec![AppKey::new(&key, wire, &id, Some(iv), None).unwrap()],
        service: Service {
            id,
            enabled: true,
            name: String::new(),
            upstreams: Vec::new(),
            scopes: Vec::new(),
            claims: vec!["given_name".to_owned()],
            acr: None,
            sso: Sso::Silent,
            home_url: "https://a.example/".parse().unwrap(),
            origins: Vec::new(),
            max_age: None,
        },
        wire,
        callbacks: vec![CallbackRule::new(url, keys, false).unwrap()],
        delivery: Delivery::Query,
        request_max_age: Duration::from_mins(15),
        max_answer_query: 4000,
        sunset: None,
        relay_claims: Vec::new(),
    }
}

#[test]
fn every_request_to_kif() {
    let now = Timestamp::from_seconds(1_790_791_514);
    let (mut same, mut both_refuse, mut different) = (0, 0, BTreeMap::new());
    for row in rows().iter().filter(|row| text(row, "set").unwrap().starts_with("idp")) {
        let id = text(row, "id").unwrap();
        let base = id.trim_end_matches("-cbc").trim_end_matches("-gcm");
        let app = app(row);
        let query = text(row, "msg").map_or_else(String::new, |msg| format!("msg={msg}"));
        let kif = text(row, "redirect").unwrap();
        let kif_accepts = kif != "/authenticationError";
        match legacy::open(&app, "https://r.example", &query, Some(now), now) {
            Err(_) if !kif_accepts => both_refuse += 1,
            Err(refused) => {
                different.insert(base.to_owned(), refused.reason.slug());
            }
            Ok(_) if !kif_accepts => {
                different.insert(base.to_owned(), "accepted");
            }
            Ok(legacy::Opened { request, .. }) => {
                let claims = serde_json::json!({"given_name": "Éric"});
                let identity = Identity {
                    issuer: String::new(),
                    subject: Subject::Issued("YWxhY3JpdMOp".to_owned()),
                    claims: claims.as_object().unwrap().clone(),
                    acr: None,
                    auth_time: now,
                    auth_time_told: true,
                    retention: Retention::Session,
                };
                let chance = SystemEntropy::new();
                let answer = legacy::answer(&app, "https://r.example", &request, &identity, now, &chance);
                assert_eq!(answer.unwrap_or_else(|e| panic!("{id} {e}")).travels.location(), kif, "{id}");
                same += 1;
            }
        }
    }
    let expected: BTreeMap<_, _> = DIFFERENT.iter().map(|(id, how)| ((*id).to_owned(), *how)).collect();
    assert_eq!(different, expected);
    assert_eq!((same, both_refuse), (12, 40));
}

#[test]
fn the_docs_give_a_reason_for_every_difference() {
    let page = include_str!("../../docs/kif-differences.md");
    for id in DIFFERENT.iter().map(|(id, _)| id).chain(OTHERWISE) {
        assert!(page.contains(&format!("`{id}`")), "docs/kif-differences.md lacks {id}");
    }
}

//! Whose key opens a recorded message, and what kind of message it is. Not what it says.

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::{Check, Finding, Patient};
use crate::clock::{Clock as _, SystemClock};
use crate::legacy::{self, App};

pub(super) struct Message;

const AREA: &str = "message";

#[async_trait]
impl Check for Message {
    async fn run(&self, patient: &Patient) -> Vec<Finding> {
        let Some(text) = &patient.message else { return Vec::new() };
        let opened = patient.config.apps.iter().filter_map(|app| Some((app, opened(app, text)?)));
        let findings: Vec<_> = opened.map(|(app, what)| finding(patient, app, text, &what)).collect();
        if findings.is_empty() {
            let advice = "compare key_file, iv and wire with those of the application that made it";
            return vec![Finding::fail(AREA, "opens under no application's key", advice)];
        }
        findings
    }
}

/// What kind of text a message is.
enum What {
    /// A request to this host, port and path.
    Request(String),
    /// An answer with these members.
    Answer(String),
}

/// What it is, if one of the application's keys opens it. KIF's CBC opens some messages of others by chance:
/// they are neither.
fn opened(app: &App, text: &str) -> Option<What> {
    let opens = |key: &legacy::AppKey| {
        let directions = app.wire.directions().iter();
        directions
            .filter_map(|direction| key.keyed.open(*direction, text).ok())
            .find_map(|o| read(&o.plaintext))
    };
    app.keys.iter().find_map(opens)
}

fn read(plaintext: &[u8]) -> Option<What> {
    if let Ok(Value::Object(members)) = serde_json::from_slice(plaintext) {
        // A request of the wire `jwe` says where to by a claim.
        if let Some(callback) = members.get("redirect_uri").and_then(Value::as_str) {
            return place(callback).map(What::Request);
        }
        let names =
            members.keys().filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        return Some(What::Answer(names.take(40).map(String::as_str).collect::<Vec<_>>().join(", ")));
    }
    place(std::str::from_utf8(plaintext).ok()?).map(What::Request)
}

/// Host, port and path; what stands in the query is nobody's business.
fn place(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}{port}{}", url.host_str()?, url.path()))
}

fn finding(patient: &Patient, app: &App, text: &str, what: &What) -> Finding {
    let (id, wire) = (&app.service.id, app.wire.name());
    let place = match what {
        What::Answer(names) => {
            let what = format!("opens under the key of {id} ({wire}): an answer with {names}");
            return Finding::ok(AREA, what);
        }
        What::Request(place) => place,
    };
    let opens = format!("opens under the key of {id} ({wire}): a request to return to {place}");
    match legacy::open(app, patient.config.issuer(), &format!("msg={text}"), None, SystemClock.now()) {
        Ok(_) => Finding::ok(AREA, format!("{opens}, which is served")),
        Err(refused) => {
            let row = refused.reason.row();
            let what = format!("{opens}, which is refused: {} ({})", row.en, row.slug);
            Finding::warn(AREA, what, row.advice)
        }
    }
}

//! Sealing the answer: an identity under `response`, or a refusal under `refusal`.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use super::wires::Dialect;
use super::{App, Delivery, Direction, LegacyRequest, RelayClaim};
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::identity::Identity;
use crate::message::SupportCode;
use crate::outcome::RefusalCode;

/// How long an answer is good, in seconds.
const LIFETIME: u64 = 300;

/// What goes back to the application.
pub struct Answer {
    /// The sealed text.
    pub sealed: String,
    /// How it travels.
    pub travels: Return,
    /// The names of the claims delivered, for the event.
    pub names: String,
}

/// How an answer travels.
pub enum Return {
    /// In the browser's next address.
    InQuery {
        /// The whole address.
        location: String,
    },
    /// By reference: the sealed text waits at `/idp/claim`.
    ByReference {
        /// The whole address, with the reference.
        location: String,
        /// The reference: 43 characters.
        reference: String,
    },
}

impl Return {
    /// The address that the browser is sent to.
    pub fn location(&self) -> &str {
        match self {
            Self::InQuery { location } | Self::ByReference { location, .. } => location,
        }
    }
}

/// Why an answer cannot be sealed for its application.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// Its URL would be longer than the application can take.
    #[error("the answer's query would have {length} bytes")]
    TooLong {
        /// The length of the query, in bytes.
        length: usize,
    },
    /// Its wire has no words for it.
    #[error("the wire has no refusals")]
    NoRefusals,
    /// The key that opened the request has left the configuration.
    #[error("the key that opened the request has left the configuration")]
    KeyGone,
}

/// Seals `identity` for `request`, under the key that opened it.
pub fn answer(
    app: &App,
    issuer: &str,
    request: &LegacyRequest,
    identity: &Identity,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Answer, Unanswerable> {
    let jti = hex::encode(entropy.bytes::<16>());
    let (plaintext, names) = if app.wire.dialect() == Dialect::Kif {
        let (members, names) = kif_members(app, issuer, request, identity, now, &jti);
        // Writing plain data to memory cannot fail.
        (serde_json::to_vec(&members).unwrap_or_default(), names)
    } else {
        let (members, names) = members(app, issuer, request, identity, now, &jti);
        (ascii_json(&members), names)
    };
    let sealed = seal(app, request, Direction::Response, &plaintext, now, entropy)?;
    let travels = match app.delivery {
        Delivery::Query => Return::InQuery { location: returning(app, request, "info", &sealed)? },
        Delivery::Reference => {
            let reference = entropy.handle();
            Return::ByReference { location: returning(app, request, "info", &reference)?, reference }
        }
    };
    Ok(Answer { sealed, travels, names })
}

/// The relay's own members and upstream's claims; and the names of these, for the event.
fn members(
    app: &App,
    issuer: &str,
    request: &LegacyRequest,
    identity: &Identity,
    now: Timestamp,
    jti: &str,
) -> (Map<String, Value>, String) {
    let iat = now.seconds();
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    // These ten, and in this order.
    put("iss", issuer.into());
    put("sub", identity.subject.as_str().into());
    put("aud", app.service.id.as_str().into());
    put("iat", iat.into());
    put("exp", (iat + LIFETIME).into());
    put("jti", jti.into());
    put("state", request.state.as_str().into());
    put("nonce", request.nonce.as_str().into());
    put("acr", identity.acr.as_ref().map_or(Value::Null, |acr| acr.0.as_str().into()));
    let auth_time = identity.auth_time_told.then(|| identity.auth_time.seconds());
    put("auth_time", auth_time.map_or(Value::Null, Value::from));
    let mut names = Vec::new();
    for (name, value) in &identity.claims {
        // What upstream sent under the relay's own names is dropped.
        if app.service.claims.contains(name) && !members.contains_key(name) {
            members.insert(name.clone(), value.clone());
            names.push(name.as_str());
        }
    }
    let names = names.join(" ");
    (members, names)
}

/// KIF's answer: upstream's claims, then `nonce` and `state`. A member that upstream sent under one of our names
/// keeps its place and gets our value, as in KIF.
fn kif_members(
    app: &App,
    issuer: &str,
    request: &LegacyRequest,
    identity: &Identity,
    now: Timestamp,
    jti: &str,
) -> (Map<String, Value>, String) {
    let iat = now.seconds();
    let added = |claim: RelayClaim| match claim {
        RelayClaim::Iat => iat.into(),
        RelayClaim::Exp => (iat + LIFETIME).into(),
        RelayClaim::Iss => issuer.into(),
        RelayClaim::Aud => app.service.id.as_str().into(),
        RelayClaim::Jti => jti.into(),
        RelayClaim::Acr => identity.acr.as_ref().map_or(Value::Null, |acr| acr.0.as_str().into()),
    };
    let mut ours: Vec<(&str, Value)> =
        vec![("nonce", request.nonce.as_str().into()), ("state", request.state.as_str().into())];
    ours.extend(app.relay_claims.iter().map(|&claim| (claim.as_str(), added(claim))));
    let mut members = Map::new();
    members.insert("sub".to_owned(), identity.subject.as_str().into());
    let mut names = Vec::new();
    for (name, value) in identity.claims.iter().filter(|(name, _)| name.as_str() != "sub") {
        if ours.iter().any(|(own, _)| own == name) {
            members.insert(name.clone(), Value::Null);
        } else if app.service.claims.contains(name) {
            members.insert(name.clone(), value.clone());
            names.push(name.as_str());
        }
    }
    for (name, value) in ours {
        members.insert(name.to_owned(), value);
    }
    let names = names.join(" ");
    (members, names)
}

/// Seals a refusal for `request`: always in the URL, also with `reference` delivery.
pub fn refuse(
    app: &App,
    request: &LegacyRequest,
    code: RefusalCode,
    support: SupportCode,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<String, Unanswerable> {
    #[derive(Serialize)]
    struct Refusal<'a> {
        error: &'static str,
        r#ref: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        iat: Option<u64>,
        state: &'a str,
        nonce: &'a str,
    }
    let iat = match app.wire.dialect() {
        // The wire stamps it.
        Dialect::Stamped => None,
        Dialect::Claims => Some(now.seconds()),
        Dialect::Kif => return Err(Unanswerable::NoRefusals),
    };
    let refusal = Refusal {
        error: code.as_str(),
        r#ref: support.to_string(),
        iat,
        state: &request.state,
        nonce: &request.nonce,
    };
    let sealed = seal(app, request, Direction::Refusal, &ascii_json(&refusal), now, entropy)?;
    returning(app, request, "info_error", &sealed)
}

fn seal(
    app: &App,
    request: &LegacyRequest,
    direction: Direction,
    plaintext: &[u8],
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<String, Unanswerable> {
    // Never under another key than the one that opened the request.
    let key = app.key(request.key).ok_or(Unanswerable::KeyGone)?;
    Ok(key.keyed.seal(direction, now, entropy, plaintext))
}

/// The registered callback with the request's own pieces, then the answer's parameter.
fn returning(app: &App, request: &LegacyRequest, name: &str, value: &str) -> Result<String, Unanswerable> {
    let base = &request.return_to;
    let (before, separator) = match base.split_once('?') {
        Some((before, _)) => (before.len(), '&'),
        None => (base.len(), '?'),
    };
    let location = format!("{base}{separator}{name}={value}");
    let length = location.len() - before - 1;
    if length > app.max_answer_query { Err(Unanswerable::TooLong { length }) } else { Ok(location) }
}

/// Compact JSON in ASCII: other characters as `\u00e9`, beyond the basic plane as a surrogate pair.
fn ascii_json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Ascii);
    // Writing plain data to memory cannot fail.
    let _ = value.serialize(&mut serializer);
    bytes
}

struct Ascii;

impl serde_json::ser::Formatter for Ascii {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.is_ascii() {
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        for character in fragment.chars() {
            if character.is_ascii() {
                write!(writer, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::hash::sha256;
    use crate::entropy::SystemEntropy;
    use crate::identity::{Acr, Retention, Subject};
    use crate::legacy::{AppKey, MasterKey, wires};
    use crate::service::{Service, ServiceId, Sso};

    fn app(claims: &[&str]) -> App {
        let (id, wire) = (ServiceId::parse("a").unwrap(), wires::WIRES[0]);
        App {
            keys: vec![AppKey::new(&MasterKey::new(sha256(&[b"k"])), wire, &id, None, None).unwrap()],
            service: Service {
                id,
                enabled: true,
                name: String::new(),
                upstreams: Vec::new(),
                scopes: Vec::new(),
                claims: claims.iter().map(|&claim| claim.to_owned()).collect(),
                acr: None,
                sso: Sso::Confirm,
                home_url: url::Url::parse("https://a.example/").unwrap(),
                origins: Vec::new(),
                max_age: None,
            },
            wire,
            callbacks: Vec::new(),
            delivery: Delivery::Query,
            request_max_age: std::time::Duration::from_mins(15),
            max_answer_query: 2000,
            sunset: None,
            relay_claims: Vec::new(),
        }
    }

    /// CBK-45: what upstream sends under the relay's own names never gets in, even where it is allowed.
    #[test]
    fn upstream_cannot_write_the_relays_members() {
        let app = app(&["iss", "sub", "aud", "state", "nonce", "info", "acr", "jti", "given_name"]);
        let request = LegacyRequest {
            app: app.service.id.clone(),
            return_to: "https://a.example/cb".to_owned(),
            state: "own state".to_owned(),
            nonce: "own nonce".to_owned(),
            key: app.keys[0].fingerprint,
            mark: crate::login::Hex([0; 32]),
            iv_mark: None,
            timeless: false,
            sealed_at: Timestamp::from_seconds(1000),
            fresh_until: Timestamp::from_seconds(1900),
        };
        let claims = json!({"state": "x", "nonce": "x", "iss": "x", "aud": "x", "acr": "x", "jti": "x", "sub": "x",
            "info": "kept: it is only a claim", "given_name": "A", "secret": "no"});
        let identity = Identity {
            issuer: "https://upstream.example".to_owned(),
            subject: Subject::Issued("s".to_owned()),
            claims: claims.as_object().unwrap().clone(),
            acr: Some(Acr("eidas1".to_owned())),
            auth_time: Timestamp::from_seconds(990),
            auth_time_told: true,
            retention: Retention::Session,
        };
        let now = Timestamp::from_seconds(1000);
        let answer =
            answer(&app, "https://r.example", &request, &identity, now, &SystemEntropy::new()).unwrap();
        let opened = app.keys[0].keyed.open(Direction::Response, &answer.sealed).unwrap();
        let mut members: Map<String, Value> = serde_json::from_slice(&opened.plaintext).unwrap();
        members.insert("jti".to_owned(), "(random)".into());
        let text = serde_json::to_string(&members).unwrap();
        assert_eq!(
            text,
            "{\"iss\":\"https://r.example\",\"sub\":\"s\",\"aud\":\"a\",\"iat\":1000,\"exp\":1300,\"jti\":\"(random)\",\
             \"state\":\"own state\",\"nonce\":\"own nonce\",\"acr\":\"eidas1\",\"auth_time\":990,\
             \"info\":\"kept: it is only a claim\",\"given_name\":\"A\"}"
        );
        assert_eq!(answer.names, "info given_name");
    }

    #[test]
    fn json_is_ascii_and_compact() {
        let text = super::ascii_json(&json!({"nom": "Angéla Œuvre", "emoji": "🌍", "q": "\"\\\n"}));
        let expected = r#"{"nom":"Ang\u00e9la \u0152uvre","emoji":"\ud83c\udf0d","q":"\"\\\n"}"#;
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}

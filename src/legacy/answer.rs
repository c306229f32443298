//! Sealing the answer: an identity under `response`, or a refusal under `refusal`.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{App, Delivery, Direction};
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::identity::Identity;
use crate::message::SupportCode;
use crate::outcome::RefusalCode;
use crate::request::LegacyRequest;

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
    put("auth_time", identity.auth_time.seconds().into());
    let mut names = Vec::new();
    for (name, value) in &identity.claims {
        // What upstream sent under the relay's own names is dropped.
        if app.service.claims.contains(name) && !members.contains_key(name) {
            members.insert(name.clone(), value.clone());
            names.push(name.as_str());
        }
    }
    let names = names.join(" ");
    let sealed = seal(app, request, Direction::Response, &ascii_json(&members), now, entropy)?;
    let travels = match app.delivery {
        Delivery::Query => Return::InQuery { location: returning(app, request, "info", &sealed)? },
        Delivery::Reference => {
            let reference = entropy.handle();
            Return::ByReference { location: returning(app, request, "info", &reference)?, reference }
        }
    };
    Ok(Answer { sealed, travels, names })
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
        state: &'a str,
        nonce: &'a str,
    }
    let refusal = Refusal {
        error: code.as_str(),
        r#ref: support.to_string(),
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

    #[test]
    fn json_is_ascii_and_compact() {
        let text = super::ascii_json(&json!({"nom": "Angéla Œuvre", "emoji": "🌍", "q": "\"\\\n"}));
        let expected = r#"{"nom":"Ang\u00e9la \u0152uvre","emoji":"\ud83c\udf0d","q":"\"\\\n"}"#;
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}

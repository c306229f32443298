//! The fields of an event, in the order in which lines have them, written for programs or for eyes.
//!
//! They are written straight into the line: nothing is formatted twice, and nothing is formatted that nobody hears.

use std::fmt::{self, Display, Write};

use super::{Event, Reason};
use crate::service::{ServiceId, UpstreamName};
use crate::visible::{is_odd, mark};

/// How much of a text that others had a hand in stands in a line, in characters.
const LONGEST: usize = 256;

/// Writes one field after the other.
trait Fields {
    /// What needs no escape: our own names, digits, addresses.
    fn plain(&mut self, name: &str, value: impl Display) -> fmt::Result;
    /// A text that others had a hand in.
    fn text(&mut self, name: &str, value: &str) -> fmt::Result;
    /// A number.
    fn number(&mut self, name: &str, value: impl Display) -> fmt::Result;
}

fn write_all(event: &Event, fields: &mut impl Fields) -> fmt::Result {
    macro_rules! each {
        ($($how:ident $name:literal = $value:expr;)*) => {
            $(if let Some(value) = $value { fields.$how($name, value)?; })*
        };
    }
    let Event { facts, peer, .. } = event;
    let peer = peer.as_ref();
    each! {
        plain "event" = Some(event.step.name());
        plain "login" = event.login;
        plain "session" = event.session;
        text "app" = event.app.as_ref().map(ServiceId::as_str);
        text "upstream" = event.upstream.as_ref().map(UpstreamName::as_str);
        plain "reason" = event.reason.map(Reason::slug);
        plain "reason_code" = event.reason.map(Reason::code);
        plain "support_code" = event.code;
        number "offset_s" = facts.offset_s;
        number "status" = facts.status;
        number "elapsed_ms" = facts.elapsed_ms;
        number "length" = facts.length;
        number "count" = facts.count;
        text "alg" = facts.alg.as_deref();
        text "kid" = facts.kid.as_deref();
        text "acr_asked" = facts.acr_asked.as_deref();
        text "acr" = facts.acr.as_deref();
        text "names" = facts.names.as_deref();
        plain "wire" = facts.wire;
        text "error" = facts.error.as_deref();
        text "upstream_error" = facts.upstream_error.as_deref();
        text "upstream_description" = facts.upstream_description.as_deref();
        text "cause" = facts.cause.as_deref();
        text "url" = facts.url.as_deref();
        plain "sealed" = facts.sealed;
        plain "client.address" = peer.map(|peer| peer.address);
        // 0 where nobody told it.
        number "client.port" = peer.map(|peer| peer.port).filter(|port| *port != 0);
        text "user_agent.original" = peer.and_then(|peer| peer.user_agent.as_deref());
    }
    Ok(())
}

/// The members of a JSON object: `,"event":"…","login":"…"`.
pub(super) struct Json<'a>(pub(super) &'a Event);

impl Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(self.0, &mut Members(f))
    }
}

struct Members<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Members<'_, '_> {
    fn name(&mut self, name: &str) -> fmt::Result {
        self.0.write_str(",\"")?;
        self.0.write_str(name)
    }
}

impl Fields for Members<'_, '_> {
    fn plain(&mut self, name: &str, value: impl Display) -> fmt::Result {
        self.name(name)?;
        self.0.write_str("\":\"")?;
        value.fmt(self.0)?;
        self.0.write_str("\"")
    }

    fn text(&mut self, name: &str, value: &str) -> fmt::Result {
        self.name(name)?;
        self.0.write_str("\":\"")?;
        Escaping(self.0).write_str(beginning(value))?;
        self.0.write_str("\"")
    }

    fn number(&mut self, name: &str, value: impl Display) -> fmt::Result {
        self.name(name)?;
        self.0.write_str("\":")?;
        value.fmt(self.0)
    }
}

/// For eyes: `event=… login=… cause="…"`.
pub(super) struct Human<'a>(pub(super) &'a Event);

impl Display for Human<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(self.0, &mut Words(f, ""))
    }
}

/// What stands before the next word comes second.
struct Words<'a, 'f>(&'a mut fmt::Formatter<'f>, &'static str);

impl Words<'_, '_> {
    fn name(&mut self, name: &str) -> fmt::Result {
        self.0.write_str(std::mem::replace(&mut self.1, " "))?;
        self.0.write_str(name)?;
        self.0.write_str("=")
    }
}

impl Fields for Words<'_, '_> {
    fn plain(&mut self, name: &str, value: impl Display) -> fmt::Result {
        self.name(name)?;
        value.fmt(self.0)
    }

    fn text(&mut self, name: &str, value: &str) -> fmt::Result {
        self.name(name)?;
        self.0.write_str("\"")?;
        Escaping(self.0).write_str(beginning(value))?;
        self.0.write_str("\"")
    }

    fn number(&mut self, name: &str, value: impl Display) -> fmt::Result {
        self.plain(name, value)
    }
}

fn beginning(text: &str) -> &str {
    if text.len() <= LONGEST {
        return text;
    }
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// Writes what stands between quotation marks, in JSON and elsewhere. Control and format characters and line
/// ends never reach a terminal, break a line or turn its direction.
pub(super) struct Escaping<'a, W: ?Sized>(pub(super) &'a mut W);

impl<W: Write + ?Sized> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Most texts are plain, and that is quickly seen.
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
            return self.0.write_str(text);
        }
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || is_odd(c)) {
            let (before, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
            self.0.write_str(before)?;
            let mut chars = special.chars();
            match chars.next() {
                Some('"') => self.0.write_str("\\\"")?,
                Some('\\') => self.0.write_str("\\\\")?,
                Some(odd) => mark(odd, self.0)?,
                None => {}
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Facts, Level, Sealed, Step, reasons};
    use crate::login::LoginId;
    use crate::peer::Peer;

    fn event() -> Event {
        let mut peer = Peer::at(([192, 0, 2, 7], 62_375).into());
        peer.user_agent = Some("an \"agent\"\\ of\r\n\u{1b}[31mmine é".to_owned());
        Event {
            step: Step::LoginFailed,
            level: Level::Warn,
            login: Some(LoginId::new([1; 16])),
            session: None,
            app: None,
            upstream: None,
            reason: Some(reasons::upstream::EXPIRED),
            code: None,
            peer: Some(peer),
            facts: Facts {
                offset_s: Some(-7),
                cause: Some("c".repeat(300)),
                sealed: Some(Sealed::new("00", [0; 32])),
                ..Facts::default()
            },
        }
    }

    #[test]
    fn a_program_reads_each_field_once() {
        let members = Json(&event()).to_string();
        let object: serde_json::Value = serde_json::from_str(&format!("{{\"a\":0{members}}}")).unwrap();
        let expected = serde_json::json!({
            "a": 0,
            "event": "broker.login.failed",
            "login": "01".repeat(16),
            "reason": "upstream.expired",
            "reason_code": "U020",
            "offset_s": -7,
            "cause": "c".repeat(256),
            "sealed": "hex:2:sha256=00000000",
            "client.address": "192.0.2.7",
            "client.port": 62_375,
            "user_agent.original": "an \"agent\"\\ of\u{fffd}\u{fffd}\u{fffd}[31mmine é",
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn an_eye_reads_the_same_and_no_line_is_forged() {
        let words = Human(&event()).to_string();
        assert!(
            words.starts_with("event=broker.login.failed login=01010101010101010101010101010101 reason=")
        );
        assert!(!words.chars().any(char::is_control), "{words}");
        assert!(
            words.ends_with(
                " user_agent.original=\"an \\\"agent\\\"\\\\ of\u{fffd}\u{fffd}\u{fffd}[31mmine é\""
            )
        );
    }

    /// In every format, and nothing that a program unescapes brings it back.
    #[test]
    fn d10_what_nobody_sees_shows_in_every_line() {
        let hidden = "a\u{202e}b\u{2028}c\u{a0}d\u{feff}";
        let facts = Facts { kid: Some(hidden.to_owned()), acr: Some(hidden.to_owned()), ..Facts::default() };
        let event = Event { facts, ..event() };
        let seen = "a‹U+202E›b‹U+2028›c‹U+00A0›d‹U+FEFF›";
        let json: serde_json::Value = serde_json::from_str(&format!("{{\"x\":0{}}}", Json(&event))).unwrap();
        assert_eq!((json["kid"].as_str(), json["acr"].as_str()), (Some(seen), Some(seen)));
        assert!(Human(&event).to_string().contains(&format!("kid=\"{seen}\"")));
        let kif: String = crate::event::kif::entries(&event).iter().map(|line| line.text.clone()).collect();
        assert!(kif.contains(seen) && !kif.contains('\u{202e}'), "{kif}");
    }

    #[test]
    fn what_nobody_told_is_absent() {
        let event = Event { peer: Some(Peer { port: 0, ..Peer::default() }), ..event() };
        assert!(!Json(&event).to_string().contains("client.port"));
        assert!(!Human(&event).to_string().contains("user_agent"));
    }
}

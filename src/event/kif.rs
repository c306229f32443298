//! Events as the lines of KIF's log, for what already reads that: its loggers, its sentences, its
//! `log fc: msg […]; auth: …; req: …`, and what KIF wrote in clear told by a handle, a length or not at all.
//!
//! A sentence of KIF stands as KIF wrote it, and begins the line's `msg`. What we know beyond it follows in one
//! bracket of its own; five sentences that readers compare whole have none. Events that KIF did not have are lines
//! of the same layout under loggers of our own, so that nothing is lost and nothing is counted twice.

mod sentences;

use std::fmt::{self, Write as _};

use super::reasons::legacy;
use super::{Area, Event, Level, Reason, Step};
use crate::visible::{is_odd, mark};

pub use sentences::{Sentence, sentence, sentences};

/// KIF's loggers.
const SESSION: &str = "net.fenyo.franceconnect.SessionListener";
const CONTROLLER: &str = "net.fenyo.franceconnect.WebController";
const LOGOUT: &str = "net.fenyo.franceconnect.LogoutHandler";
const FAILURE: &str = "net.fenyo.franceconnect.AuthenticationFailureHandler";

/// One entry of the log, all but its date.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// How much it matters.
    pub level: Level,
    /// Who says it: a logger of KIF for a sentence of KIF, else `relais.<area>`.
    pub logger: &'static str,
    /// From `log fc:` on.
    pub text: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.logger, self.text)
    }
}

/// The entries of an event, in the order in which KIF wrote them.
pub(super) fn entries(event: &Event) -> Vec<Entry> {
    let (auth, req) = (auth(event), req(event));
    let entry = |said: Said| {
        let level = if said.is_outcome { event.level } else { Level::Info };
        Entry {
            level,
            logger: said.logger,
            text: format!("log fc: msg [{}]; auth: {auth}; req: {req}", said.msg),
        }
    };
    said(event).into_iter().map(entry).collect()
}

/// What one entry says.
struct Said {
    logger: &'static str,
    msg: String,
    /// Whether the event's level is this entry's; those on the way to an outcome are for information.
    is_outcome: bool,
}

fn said(event: &Event) -> Vec<Said> {
    let bare = |logger, msg: String| Said { logger, msg, is_outcome: true };
    let full = |logger, sentence: String| bare(logger, format!("{sentence}{}", more(event)));
    let count = event.facts.count;
    match event.step {
        Step::LegacyRequestAccepted => {
            let mut said = asked(event);
            if let Some(last) = said.last_mut() {
                last.msg += &more(event);
            }
            said
        }
        Step::LegacyRequestRefused => {
            let mut said = asked(event);
            said.push(full(CONTROLLER, refused(event.reason)));
            said
        }
        Step::LegacyAnswerIssued => vec![full(CONTROLLER, redirection(event))],
        Step::LegacyAnswerRepeated => {
            // A form that was sent again brings no message.
            let mut said = if event.facts.sealed.is_some() { asked(event) } else { Vec::new() };
            said.push(full(CONTROLLER, redirection(event)));
            said
        }
        Step::LegacyRefusalIssued | Step::LoginFailed | Step::ReturnRepeated | Step::UpstreamRefused => {
            vec![full(FAILURE, failed(event.reason))]
        }
        // A sign-in of a session that was there has no count.
        Step::SessionSignedIn if count.is_some() => vec![bare(SESSION, session("création", event))],
        Step::SessionEnded | Step::SessionExpired => vec![bare(SESSION, session("destruction", event))],
        Step::LogoutClosed => vec![bare(LOGOUT, "logout".to_owned())],
        Step::HomeShown => vec![bare(CONTROLLER, "accès à /".to_owned())],
        step => vec![full(own_logger(step.area()), step.name().to_owned())],
    }
}

/// What KIF wrote before it judged a message.
fn asked(event: &Event) -> Vec<Said> {
    let said = |sentence: String| Said {
        logger: CONTROLLER,
        msg: format!("accès à /idp{sentence}"),
        is_outcome: false,
    };
    let mut all = vec![said(String::new())];
    match event.facts.sealed {
        Some(sealed) => all.push(said(format!(": requête chiffrée [{sealed}]"))),
        None if event.reason == Some(legacy::MSG_MISSING) => {
            all.push(said(": requête chiffrée [null]".to_owned()));
        }
        // It was not looked at.
        None => return all,
    }
    match event.reason {
        None => all.push(said(format!(": requête déchiffrée [{}]", address(event)))),
        // Under KIF's wires what opens may be somebody's identity, put there by somebody else: nothing of it.
        Some(reason) if AFTER_OPENING.contains(&reason) => {
            all.push(said(": requête déchiffrée [elided]".to_owned()));
        }
        Some(_) => {}
    }
    all
}

/// The reasons that judge a URL, for which KIF had written it.
const AFTER_OPENING: &[Reason] = &[
    legacy::CALLBACK_INVALID,
    legacy::CALLBACK_OUTSIDE,
    legacy::KEY_NOT_ALLOWED,
    legacy::QUERY_MALFORMED,
    legacy::QUERY_TOO_LONG,
    legacy::QUERY_MISSING,
    legacy::NONCE_MISSING,
    legacy::STATE_MISSING,
    legacy::PARAMETER_TWICE,
    legacy::VALUE_LENGTH,
    legacy::RESERVED_PRESENT,
    legacy::PARAMETER_UNKNOWN,
    legacy::REPLAYED,
];

/// The registered address, with the names of its query and no value.
fn address(event: &Event) -> String {
    let names = event.facts.names.iter().flat_map(|names| names.split(' '));
    let query = names.map(|name| format!("{}=#", clean(name))).collect::<Vec<_>>().join("&");
    let url = clean(event.facts.url.as_deref().unwrap_or("null"));
    if query.is_empty() { url } else { format!("{url}?{query}") }
}

fn redirection(event: &Event) -> String {
    let url = clean(event.facts.url.as_deref().unwrap_or("null"));
    let length = event.facts.length.map_or_else(|| "#".to_owned(), |length| format!("#{length}"));
    format!("accès à /idp: redirection [{url}?info={length}]")
}

/// `exception` where KIF had one, else the error page and why.
fn refused(reason: Option<Reason>) -> String {
    let page = "renvoi vers la page d'erreur d'authentification";
    match reason.map(|reason| (reason, sentence(reason))) {
        Some((_, Some(Sentence::Request(text)))) => format!("accès à /idp: {text}"),
        Some((reason, _)) => format!("accès à /idp: {page} ({})", reason.slug()),
        None => format!("accès à /idp: {page}"),
    }
}

fn failed(reason: Option<Reason>) -> String {
    let text = match reason.map(|reason| (reason, sentence(reason))) {
        Some((_, Some(Sentence::Exception { class, text }))) => format!("{class}: {text}"),
        Some((reason, _)) => reason.slug().to_owned(),
        None => "null".to_owned(),
    };
    format!("authentication failure exception: [{text}]")
}

/// As KIF's README shows it: KIF itself left out the last parenthesis where a session began beside others.
fn session(what: &str, event: &Event) -> String {
    let count = event.facts.count.unwrap_or_default();
    let plural = if count > 1 { "s" } else { "" };
    format!("{what} de session {} ({count} session{plural})", or_null(event.session))
}

fn own_logger(area: Area) -> &'static str {
    match area {
        Area::Legacy => "relais.legacy",
        Area::Broker => "relais.broker",
        Area::Upstream => "relais.upstream",
        Area::Session => "relais.session",
        Area::Server => "relais.server",
    }
}

/// Who was signed in when it happened. KIF wrote the `id_token` and the identity here.
fn auth(event: &Event) -> &'static str {
    const SIGNED_IN: &str = "id token [redacted]; auth: user info [redacted]";
    const NOBODY: &str = "oidc authentication token is null";
    match event.step {
        Step::LegacyAnswerIssued
        | Step::LegacyAnswerRepeated
        | Step::SessionReused
        | Step::SessionEnded
        | Step::SessionExpired
        | Step::ConfirmationShown
        | Step::ConfirmationGiven
        | Step::LogoutUpstream => SIGNED_IN,
        Step::LogoutClosed if event.session.is_some() => SIGNED_IN,
        Step::LogoutClosed
        | Step::SessionSignedIn
        | Step::LegacyRefusalIssued
        | Step::LoginFailed
        | Step::ReturnRepeated
        | Step::UpstreamRefused => NOBODY,
        _ => "anonymous",
    }
}

/// Who called. KIF's `request` was the name of an object in memory, good for finding the lines of one request.
fn req(event: &Event) -> String {
    let Some(peer) = &event.peer else { return "request attributes are null".to_owned() };
    format!(
        "session id [{}]; req: remote addr [{}]; req: remote port [{}]; req: request [{}]",
        or_null(event.session),
        peer.address,
        if peer.port == 0 { "unknown".to_owned() } else { peer.port.to_string() },
        or_null(event.login),
    )
}

fn or_null(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

/// What the sentence does not say: ` [L014 legacy.nonce_missing support_code=… app=…]`.
fn more(event: &Event) -> String {
    let facts = &event.facts;
    let mut text = String::new();
    if let Some(reason) = event.reason {
        let _ = write!(text, " {} {}", reason.code(), reason.slug());
    }
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let value = clean(&value);
            let _ = if value.contains(' ') {
                write!(text, " {name}=\"{value}\"")
            } else {
                write!(text, " {name}={value}")
            };
        }
    };
    put("support_code", event.code.map(|code| code.to_string()));
    put("app", event.app.as_ref().map(ToString::to_string));
    put("upstream", event.upstream.as_ref().map(ToString::to_string));
    put("offset_s", facts.offset_s.map(|n| n.to_string()));
    put("status", facts.status.map(|n| n.to_string()));
    put("elapsed_ms", facts.elapsed_ms.map(|n| n.to_string()));
    put("length", facts.length.map(|n| n.to_string()));
    put("count", facts.count.map(|n| n.to_string()));
    put("alg", facts.alg.clone());
    put("kid", facts.kid.clone());
    put("acr_asked", facts.acr_asked.clone());
    put("acr", facts.acr.clone());
    put("names", facts.names.clone());
    put("wire", facts.wire.map(str::to_owned));
    put("error", facts.error.clone());
    put("upstream_error", facts.upstream_error.clone());
    put("upstream_description", facts.upstream_description.clone());
    put("url", facts.url.clone());
    put("cause", facts.cause.clone());
    if text.is_empty() { text } else { format!(" [{}]", text.trim_start()) }
}

/// No control character breaks a line, no bracket or quotation mark a part of it.
fn clean(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(256));
    for c in text.chars().take(256) {
        let _ = match c {
            '[' => plain.write_char('('),
            ']' => plain.write_char(')'),
            '"' => plain.write_char('\''),
            odd if is_odd(odd) => mark(odd, &mut plain),
            c => plain.write_char(c),
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Facts, reasons};
    use crate::login::LoginId;
    use crate::peer::Peer;

    fn event(step: Step, reason: Option<Reason>, facts: Facts) -> Event {
        Event {
            step,
            level: reason.map_or(Level::Info, Reason::level),
            login: Some(LoginId::new([1; 16])),
            session: None,
            app: None,
            upstream: None,
            reason,
            code: None,
            peer: Some(Peer::at(([192, 0, 2, 7], 62_375).into())),
            facts,
        }
    }

    #[test]
    fn a_line_whole() {
        let told = entries(&event(Step::LogoutClosed, None, Facts::default()));
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].logger, told[0].level), (LOGOUT, Level::Info));
        assert_eq!(
            told[0].text,
            "log fc: msg [logout]; auth: oidc authentication token is null; req: session id [null]; req: remote addr \
             [192.0.2.7]; req: remote port [62375]; req: request [01010101010101010101010101010101]"
        );
    }

    #[test]
    fn a_port_that_nobody_told_is_unknown() {
        let peer = Some(Peer { port: 0, ..Peer::default() });
        let told = entries(&Event { peer, ..event(Step::HomeShown, None, Facts::default()) });
        assert!(told[0].text.contains("req: remote port [unknown]; "), "{}", told[0].text);
    }

    #[test]
    fn a_count_has_its_plural_and_both_parentheses() {
        for (count, said) in [(0, "(0 session)"), (1, "(1 session)"), (2, "(2 sessions)")] {
            let facts = Facts { count: Some(count), ..Facts::default() };
            let told = entries(&event(Step::SessionSignedIn, None, facts));
            assert!(told[0].text.starts_with(&format!("log fc: msg [création de session null {said}]; ")));
        }
    }

    #[test]
    fn what_others_write_breaks_no_line_and_no_part() {
        let cause = Some("a]; auth: \"x\"\r\nINFO : forged\u{1b}[31m".to_owned());
        let facts = Facts { cause, ..Facts::default() };
        let told = entries(&event(Step::LoginFailed, Some(reasons::upstream::NOT_JSON), facts));
        let text = &told[0].text;
        assert!(!text.contains(['\n', '\r', '\u{1b}']), "{text}");
        assert!(
            text.contains("cause=\"a); auth: 'x'\u{fffd}\u{fffd}INFO : forged\u{fffd}(31m\"]]; auth: "),
            "{text}"
        );
    }

    #[test]
    fn a_callback_that_was_refused_is_not_written() {
        let facts = Facts { sealed: Some(crate::event::Sealed::new("00", [0; 32])), ..Facts::default() };
        let told = entries(&event(Step::LegacyRequestRefused, Some(legacy::CALLBACK_OUTSIDE), facts));
        let levels: Vec<_> = told.iter().map(|entry| entry.level).collect();
        assert_eq!(levels, [Level::Info, Level::Info, Level::Info, Level::Warn]);
        assert!(told[2].text.contains("requête déchiffrée [elided]]; "));
        assert!(told[3].text.contains("(url de callback invalide) [L009 legacy.callback_outside]]; "));
    }
}

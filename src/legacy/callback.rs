//! The callback: the one URL that a message may name, parsed and compared by component, never by prefix.
//!
//! The text must read in one way only: whatever another parser might see differently (userinfo, backslash,
//! fragment, dot segments, odd ports, percent signs in names) is refused before anything is compared.

use url::{Host, Url};

use super::Refused;
use super::wires::Dialect;
use crate::event::{Facts, reasons::legacy as because};
use crate::identity::Acr;
use crate::service::{Demand, Prompt};

/// The longest query of a callback, in bytes.
const MAX_QUERY: usize = 2048;
/// The longest `state` or `nonce` as sent, in bytes.
const MAX_VALUE: usize = 512;
/// The shortest `state` or `nonce` once decoded, in bytes. KIF's applications may send less, and are reported.
pub const MIN_VALUE: usize = 16;
/// The shortest `state` or `nonce` of a KIF application.
const KIF_MIN_VALUE: usize = 1;
/// Parameters of the answer, which a callback must not hold already.
const ANSWER_KEYS: [&str; 4] = ["info", "info_error", "error", "iss"];

/// One registered callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackRule {
    scheme: String,
    /// Host in lower case and port, the default one left out.
    authority: String,
    path: String,
    query_keys: Vec<String>,
}

/// Why a callback cannot be registered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// It does not parse, or not to the same text.
    #[error("it is not an absolute URL written in its plainest form (would be {0:?})")]
    NotPlain(String),
    /// Not a URL at all.
    #[error("it is not an absolute URL")]
    NotUrl,
    /// Query or fragment.
    #[error("it holds a query or a fragment; list the query keys in `query_keys` instead")]
    Query,
    /// Another scheme.
    #[error(
        "its scheme is not https (http only to 127.0.0.1 or [::1], while `server.public_url` is loopback)"
    )]
    Scheme,
    /// Userinfo.
    #[error("it holds a user name or password")]
    Userinfo,
    /// An encoded or odd path.
    #[error("its path holds `%`, `;` or a dot segment")]
    Path,
    /// A key that the protocol reserves.
    #[error("the query key {0:?} is reserved by the protocol")]
    ReservedKey(String),
    /// A key outside the grammar.
    #[error("the query key {0:?} is outside [A-Za-z0-9._~-]{{1,64}}")]
    OddKey(String),
    /// A key that looks like a session id.
    #[error("the query key {0:?} looks like a session id, which must never travel in a URL")]
    SessionKey(String),
}

impl CallbackRule {
    /// Registers `url`, with the query keys that an application may add to `state` and `nonce`. Plain http
    /// is for loopback addresses only, and only where the relay itself is on loopback.
    pub fn new(url: &str, query_keys: Vec<String>, relay_on_loopback: bool) -> Result<Self, BadRule> {
        let parsed = Url::parse(url).map_err(|_| BadRule::NotUrl)?;
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(BadRule::Query);
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(BadRule::Userinfo);
        }
        let loopback_host = match parsed.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(_)) | None => false,
        };
        match parsed.scheme() {
            "https" => {}
            "http" if loopback_host && relay_on_loopback => {}
            _ => return Err(BadRule::Scheme),
        }
        if parsed.as_str() != url && parsed.as_str() != format!("{url}/") {
            return Err(BadRule::NotPlain(parsed.into()));
        }
        if parsed.path().contains(['%', ';']) {
            return Err(BadRule::Path);
        }
        for key in &query_keys {
            check_key(key)?;
        }
        let host = parsed.host_str().ok_or(BadRule::NotUrl)?;
        let authority = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self { scheme: parsed.scheme().to_owned(), authority, path: parsed.path().to_owned(), query_keys })
    }

    /// Scheme, host and port: what a page's `form-action` must allow.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path)
    }
}

fn check_key(key: &str) -> Result<(), BadRule> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
    if key.is_empty() || key.len() > 64 || !key.bytes().all(plain) {
        return Err(BadRule::OddKey(key.to_owned()));
    }
    if ANSWER_KEYS.contains(&key) || key == "state" || key == "nonce" || key.starts_with("relais_") {
        return Err(BadRule::ReservedKey(key.to_owned()));
    }
    let folded = key.to_ascii_lowercase();
    let session = ["sessid", "session", "jsession", "cgisess", "aspsess", "sid", "token"];
    if session.iter().any(|word| folded.contains(word)) {
        return Err(BadRule::SessionKey(key.to_owned()));
    }
    Ok(())
}

/// A callback that one of the rules admits.
pub(super) struct Admitted {
    /// The registered URL with the request's own pieces, byte for byte.
    pub return_to: String,
    /// What stands in its query, where the dialect has it there.
    pub query: Query,
}

/// What the query of a callback says to the relay.
#[derive(Default)]
pub(super) struct Query {
    /// `state`, decoded once.
    pub state: String,
    /// `nonce`, decoded once.
    pub nonce: String,
    /// The `relais_*` parameters.
    pub demand: Demand,
}

/// Reads the callback of a request and finds the rule that admits it.
pub(super) fn admit(rules: &[CallbackRule], dialect: Dialect, plaintext: &[u8]) -> Result<Admitted, Refused> {
    if !plaintext.iter().all(u8::is_ascii_graphic) {
        return Err(because::NOT_ASCII.into());
    }
    let text = std::str::from_utf8(plaintext).map_err(|_| because::NOT_ASCII)?;
    let (scheme, authority, path, query) = components(text).ok_or(because::CALLBACK_INVALID)?;
    let rule = rules
        .iter()
        .find(|rule| rule.scheme == scheme && rule.authority == authority && rule.path == path)
        .ok_or(because::CALLBACK_OUTSIDE)?;
    match (dialect, query) {
        (Dialect::Claims, None) => Ok(Admitted { return_to: rule.url(), query: Query::default() }),
        (_, None | Some("")) => Err(because::QUERY_MISSING.into()),
        (_, Some(query)) => read_query(rule, dialect, query),
    }
}

/// Whether a rule still admits what one admitted before: the configuration may have changed since.
pub(super) fn admits(rules: &[CallbackRule], return_to: &str) -> bool {
    let Some((scheme, authority, path, query)) = components(return_to) else { return false };
    let keys =
        query.into_iter().flat_map(|query| query.split('&')).filter_map(|piece| piece.split('=').next());
    let keys: Vec<_> = keys.filter(|key| !matches!(*key, "state" | "nonce")).collect();
    rules.iter().any(|rule| {
        let known = |key: &&str| rule.query_keys.iter().any(|allowed| allowed == *key);
        rule.scheme == scheme && rule.authority == authority && rule.path == path && keys.iter().all(known)
    })
}

/// Scheme, normalised authority, path and query of a URL that reads in one way only.
fn components(text: &str) -> Option<(&str, String, &str, Option<&str>)> {
    if text.contains(['\\', '#']) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let default_port = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let (before_query, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = before_query.split_at(before_query.find('/')?);
    let host_end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at_checked(host_end)?;
    let plain_host = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    if host.is_empty() || !host.bytes().all(plain_host) {
        return None;
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => "",
        Some(digits) if digits.parse::<u16>().is_ok_and(|n| n.to_string() == digits) => {
            if digits == default_port { "" } else { port }
        }
        _ => return None,
    };
    Some((scheme, format!("{}{port}", host.to_ascii_lowercase()), path, query))
}

fn read_query(rule: &CallbackRule, dialect: Dialect, query: &str) -> Result<Admitted, Refused> {
    if query.len() > MAX_QUERY {
        return Err(Refused { reason: because::QUERY_TOO_LONG, facts: length(query.len()) });
    }
    let (mut state, mut nonce, mut own) = (None, None, Vec::new());
    let mut asks = Asks::default();
    let shortest = if dialect == Dialect::Kif { KIF_MIN_VALUE } else { MIN_VALUE };
    for piece in query.split('&') {
        let (key, raw) = piece.split_once('=').ok_or(because::QUERY_MALFORMED)?;
        if ANSWER_KEYS.contains(&key) {
            return Err(because::RESERVED_PRESENT.into());
        }
        let binding = matches!(key, "state" | "nonce") && dialect != Dialect::Claims;
        let asking = key.starts_with("relais_") && dialect == Dialect::Stamped;
        let value = decode(raw, !binding && !asking).ok_or(because::QUERY_MALFORMED)?;
        match key {
            "state" if binding => once(&mut state, bounded(raw, value, shortest)?)?,
            "nonce" if binding => once(&mut nonce, bounded(raw, value, shortest)?)?,
            _ if asking => asks.take(key, &value)?,
            _ if rule.query_keys.iter().any(|allowed| allowed == key) => own.push(piece),
            _ => return Err(Refused { reason: because::KEY_NOT_ALLOWED, facts: named(key) }),
        }
        // KIF's applications find their own values in the URL too, where they were.
        if binding && dialect == Dialect::Kif {
            own.push(piece);
        }
    }
    if dialect != Dialect::Claims {
        if nonce.is_none() {
            return Err(because::NONCE_MISSING.into());
        }
        if state.is_none() {
            return Err(because::STATE_MISSING.into());
        }
    }
    let mut return_to = rule.url();
    for (index, piece) in own.iter().enumerate() {
        return_to.push(if index == 0 { '?' } else { '&' });
        return_to.push_str(piece);
    }
    let query =
        Query { state: state.unwrap_or_default(), nonce: nonce.unwrap_or_default(), demand: asks.demand };
    Ok(Admitted { return_to, query })
}

/// What an application asks beyond its configuration, each at most once: `relais_*`, or claims.
#[derive(Default)]
pub(super) struct Asks {
    seen: Vec<String>,
    /// What was asked so far.
    pub demand: Demand,
}

impl Asks {
    /// Takes one, by its name with or without `relais_`.
    pub(super) fn take(&mut self, key: &str, value: &str) -> Result<(), Refused> {
        let refused = || Refused { reason: because::PARAMETER_UNKNOWN, facts: named(key) };
        if self.seen.iter().any(|seen| seen == key) {
            return Err(Refused { reason: because::PARAMETER_TWICE, facts: named(key) });
        }
        self.seen.push(key.to_owned());
        let words = || value.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
        match key.strip_prefix("relais_").unwrap_or(key) {
            "acr_values" => self.demand.acr_values = words().map(Acr).collect(),
            "ui_locales" => self.demand.ui_locales = words().collect(),
            "login_hint" => self.demand.login_hint = Some(value.to_owned()),
            "max_age" => {
                let digits =
                    !value.is_empty() && value.len() <= 10 && value.bytes().all(|b| b.is_ascii_digit());
                let seconds = value.parse().ok().filter(|_| digits).ok_or_else(refused)?;
                self.demand.max_age = Some(seconds);
            }
            "prompt" => {
                let prompt = match value {
                    "none" => Prompt::None,
                    "login" | "login consent" | "consent login" => Prompt::Login,
                    "consent" => Prompt::Consent,
                    _ => return Err(refused()),
                };
                self.demand.prompt = Some(prompt);
            }
            _ => return Err(refused()),
        }
        Ok(())
    }
}

fn once(slot: &mut Option<String>, value: String) -> Result<(), Refused> {
    if slot.replace(value).is_some() { Err(because::PARAMETER_TWICE.into()) } else { Ok(()) }
}

/// `value`, which was sent as `raw`, if neither is too long or too short.
pub(super) fn bounded(raw: &str, value: String, shortest: usize) -> Result<String, Refused> {
    if raw.len() > MAX_VALUE || value.len() < shortest {
        return Err(Refused { reason: because::VALUE_LENGTH, facts: length(value.len()) });
    }
    Ok(value)
}

/// Decodes `%HH` once; `None` outside the grammar, or where the result is not UTF-8 or holds a control
/// character. `+` and `?` stand for themselves, and only in the application's own values.
fn decode(raw: &str, own: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let ([high, low], tail) = rest.split_first_chunk::<2>()?;
                let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
                bytes.push(digit(*high)? << 4 | digit(*low)?);
                rest = tail;
            }
            b if b.is_ascii_alphanumeric() || b"._~!$'()*,:@/=-".contains(&b) => bytes.push(b),
            b'+' | b'?' if own => bytes.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

/// Names a key in the event, if it is one that could be allowed.
pub(super) fn named(key: &str) -> Facts {
    let names = match check_key(key) {
        Ok(()) | Err(BadRule::SessionKey(_) | BadRule::ReservedKey(_)) => Some(key.to_owned()),
        Err(_) => Some("(not a name)".to_owned()),
    };
    Facts { names, ..Facts::default() }
}

fn length(length: usize) -> Facts {
    Facts { length: Some(length), ..Facts::default() }
}

//! KIF's keys: what each is worth, and every fault with its line.

use std::collections::BTreeMap;

use url::Url;
use zeroize::Zeroizing;

use super::properties::{self, Property, fault};
use crate::config::{Fault, Faults};
use crate::legacy::MasterKey;
use crate::secret::Secret;

/// Every key of KIF begins so.
pub(super) const PREFIX: &str = "net.fenyo.franceconnect.config.";

/// Every key of KIF's templates, without the prefix, and whether KIF starts without it.
const KEYS: [(&str, bool); 20] = [
    ("oidc.debug", true),
    ("oidc.tlsversion", true),
    ("oidc.clientid", false),
    ("oidc.clientsecret", false),
    ("oidc.sessiontimeout", true),
    ("oidc.issuer", false),
    ("oidc.authorizationendpointuri", false),
    ("oidc.tokenendpointuri", false),
    ("oidc.userinfoendpointuri", false),
    ("oidc.redirecturi", false),
    ("oidc.logouturi", true),
    ("oidc.afterlogouturi", false),
    ("oidc.authenticationerroruri", true),
    ("oidc.startlogouturi", true),
    ("oidc.fcbuttonuri", true),
    ("idp.mode", true),
    ("idp.key", false),
    ("idp.iv", false),
    ("idp.redirecturi", false),
    ("listen.port", true),
];

/// The path that `MITREid` imposed on KIF's redirect URI.
const CALLBACK: &str = "/openid_connect_login";
/// The client id that KIF's README prints, and the IV of its templates; the key is known to [`MasterKey`].
const README_CLIENT: &str = "a100f6923ae93e2e5a8e2e2fb1d0c1e988d8c06c43a8ef838e64eeb932750405";
const SAMPLE_IV: &str = "87b7225d16ea2ae1f41d0b13fdce9bba";

/// A configuration of KIF without a fault.
pub struct Kif {
    pub(super) client_id: String,
    /// The secret that the provider gave.
    pub client_secret: Secret<String>,
    pub(super) issuer: String,
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) userinfo: Url,
    pub(super) logout: Option<Url>,
    pub(super) redirect_uri: Url,
    /// `redirect_uri` without [`CALLBACK`]: where browsers reach the relay.
    pub(super) public_url: String,
    pub(super) after_logout: Url,
    pub(super) start_logout: String,
    pub(super) error_page: Option<Url>,
    pub(super) session_minutes: i64,
    pub(super) mode: Mode,
    /// The key that the application shares, 64 digits; none if it is KIF's published sample.
    pub key: Option<Secret<String>>,
    pub(super) iv: String,
    pub(super) iv_is_sample: bool,
    pub(super) callback: Url,
    pub(super) callback_written: String,
    pub(super) port: Option<u16>,
    pub(super) debug: Option<String>,
    pub(super) tls: Option<String>,
    pub(super) button: Option<String>,
    /// Keys that are not KIF's, with their lines.
    pub(super) strangers: Vec<(usize, String)>,
    lines: BTreeMap<&'static str, usize>,
}

/// How KIF seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Gcm,
    Cbc,
    /// KIF reads whatever it does not know as CBC, without a word.
    Unknown(String),
}

impl Kif {
    /// Reads a `config.properties`; every fault at once, none of which shows a secret.
    pub fn read(bytes: &[u8]) -> Result<Self, Faults> {
        let (pairs, faults) = properties::read(bytes);
        let mut reading = Reading { values: BTreeMap::new(), strangers: Vec::new(), faults };
        if pairs.is_empty() && reading.faults.is_empty() {
            reading.faults.push(fault(1, "holds no key at all", "give KIF's config.properties"));
        } else if !pairs.is_empty() {
            for pair in pairs {
                reading.sort(pair);
            }
            reading.missing();
        }
        let kif = reading.kif();
        let mut faults = reading.faults;
        // A file is read from its top; what has no line comes last.
        faults.sort_by_key(|fault| line_of(fault).unwrap_or(usize::MAX));
        kif.filter(|_| faults.is_empty()).ok_or(Faults(faults))
    }

    /// Where a key stood, for comments.
    pub(super) fn at(&self, key: &str) -> String {
        match self.lines.get(key) {
            Some(line) => format!("{key} (line {line})"),
            None => format!("{key} (absent)"),
        }
    }
}

fn line_of(fault: &Fault) -> Option<usize> {
    fault.path.strip_prefix("line ")?.split(',').next()?.parse().ok()
}

struct Reading {
    values: BTreeMap<&'static str, (usize, Secret<String>)>,
    strangers: Vec<(usize, String)>,
    faults: Vec<Fault>,
}

impl Reading {
    fn sort(&mut self, pair: Property) {
        let Some(short) = pair.key.strip_prefix(PREFIX) else {
            let ours = KEYS.iter().find(|(known, _)| pair.key.ends_with(known));
            match ours {
                Some((known, _)) => {
                    let right = format!("write {PREFIX}{known}, or take the line out");
                    self.faults.push(fault(
                        pair.line,
                        format!("{} is no key of KIF", shown(&pair.key)),
                        right,
                    ));
                }
                None => self.strangers.push((pair.line, shown(&pair.key))),
            }
            return;
        };
        let Some((known, _)) = KEYS.iter().find(|(known, _)| *known == short) else {
            let near = KEYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(short));
            let right = near.map_or_else(
                || "take the line out, or write one of the keys in KIF's README".to_owned(),
                |(known, _)| format!("write {PREFIX}{known}"),
            );
            self.faults.push(fault(pair.line, format!("{} is no key of KIF", shown(&pair.key)), right));
            return;
        };
        if let Some((first, _)) = self.values.get(known) {
            let wrong = format!("gives the key a second time, after line {first}; KIF obeys the last");
            self.fault(known, pair.line, &wrong, "keep one of the two");
            return;
        }
        let value = pair.value.expose();
        if let Some(odd) = value.chars().find(|c| !c.is_ascii() || c.is_ascii_control()) {
            // A line break would break out of a comment of ours, and KIF has no value that needs more than ASCII.
            let wrong = format!("holds {}, which is outside printable ASCII", odd.escape_unicode());
            self.fault(known, pair.line, &wrong, "write ASCII; in a URL, percent-encode the UTF-8 bytes");
        } else if let Some(wrong) = placeholder(known, value.trim()) {
            self.fault(known, pair.line, wrong, "write the value that KIF runs with");
        }
        self.values.insert(known, (pair.line, pair.value));
    }

    fn missing(&mut self) {
        for (key, optional) in KEYS {
            if !optional && !self.values.contains_key(key) {
                self.faults.push(Fault {
                    path: format!("{PREFIX}{key}"),
                    wrong: "is missing".to_owned(),
                    right: "add it: KIF does not start without it".to_owned(),
                });
            }
        }
    }

    fn fault(&mut self, key: &str, line: usize, wrong: &str, right: &str) {
        let path = format!("line {line}, {PREFIX}{key}");
        // One fault per line: the first says why the others follow.
        if !self.faults.iter().any(|fault| fault.path == path) {
            self.faults.push(Fault { path, wrong: wrong.to_owned(), right: right.to_owned() });
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        self.values.get(key).map(|(_, value)| value.expose().trim().to_owned())
    }

    /// Judges the value of `key`, if there is one.
    fn judge<T>(&mut self, key: &'static str, read: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let (line, value) = self.values.get(key)?;
        let (line, text) = (*line, Zeroizing::new(value.expose().trim().to_owned()));
        match read(&text) {
            Ok(value) => Some(value),
            Err((wrong, right)) => {
                self.fault(key, line, &wrong, right);
                None
            }
        }
    }

    fn kif(&mut self) -> Option<Kif> {
        let authorization = self.judge("oidc.authorizationendpointuri", web);
        let token = self.judge("oidc.tokenendpointuri", web);
        let userinfo = self.judge("oidc.userinfoendpointuri", web);
        let logout = self.judge("oidc.logouturi", web);
        let issuer = self.judge("oidc.issuer", |text| web(text).map(|_| text.to_owned()));
        let after_logout = self.judge("oidc.afterlogouturi", web);
        let error_page = self.judge("oidc.authenticationerroruri", web);
        let redirect = self.judge("oidc.redirecturi", redirect);
        let start_logout = self.judge("oidc.startlogouturi", path);
        let minutes = self.judge("oidc.sessiontimeout", minutes);
        let port = self.judge("listen.port", |text| {
            let right = "write a port, 1 to 65535";
            text.parse().ok().filter(|port| *port != 0).ok_or(("is no port".to_owned(), right))
        });
        let key = self.judge("idp.key", key);
        let iv = self.judge("idp.iv", iv);
        let callback = self.judge("idp.redirecturi", |text| Ok((web(text)?, text.to_owned())));
        let (redirect_uri, public_url) = redirect?;
        let (callback, callback_written) = callback?;
        let iv = iv?;
        Some(Kif {
            client_id: self.text("oidc.clientid")?,
            client_secret: Secret::new(self.text("oidc.clientsecret")?),
            issuer: issuer?,
            authorization: authorization?,
            token: token?,
            userinfo: userinfo?,
            logout,
            redirect_uri,
            public_url,
            after_logout: after_logout?,
            start_logout: start_logout.unwrap_or_else(|| "/j_spring_security_logout".to_owned()),
            error_page,
            session_minutes: minutes.unwrap_or(240),
            mode: self.mode(),
            key: key?,
            iv_is_sample: iv == SAMPLE_IV,
            iv,
            callback,
            callback_written,
            port,
            debug: self.text("oidc.debug"),
            tls: self.text("oidc.tlsversion"),
            button: self.text("oidc.fcbuttonuri"),
            strangers: std::mem::take(&mut self.strangers),
            lines: self.values.iter().map(|(key, (line, _))| (*key, *line)).collect(),
        })
    }

    /// Compared as KIF does: with the white space that Java leaves at the end.
    fn mode(&self) -> Mode {
        match self.values.get("idp.mode").map(|(_, value)| value.expose().as_str()) {
            Some("AES-256-GCM") => Mode::Gcm,
            None | Some("AES-256-CBC") => Mode::Cbc,
            Some(other) => Mode::Unknown(other.to_owned()),
        }
    }
}

/// What is wrong with a value, and what would be right.
type Wrong = (String, &'static str);

/// A key as it can be shown on one line.
fn shown(key: &str) -> String {
    key.chars().take(120).flat_map(char::escape_default).collect()
}

/// Why a value is none yet.
fn placeholder(key: &str, value: &str) -> Option<&'static str> {
    const WORDS: [&str; 9] =
        ["changeme", "change-me", "change_me", "todo", "fixme", "xxx", "tbd", "none", "your"];
    let lower = value.to_ascii_lowercase();
    if value.is_empty() {
        return Some("is empty: the template was not filled in");
    }
    if key == "oidc.clientid" && value == README_CLIENT {
        return Some("is the id that KIF's README prints, which is nobody's now");
    }
    let marked = value.contains("${")
        || (value.starts_with('<') && value.ends_with('>'))
        || (value.starts_with('@') && value.ends_with('@'))
        || WORDS.iter().any(|word| lower == *word || lower.starts_with(&format!("{word}-")))
        || (lower.len() > 2 && lower.bytes().all(|byte| byte == b'x'))
        || lower.starts_with("your_");
    marked.then_some("is a placeholder that was left in")
}

fn web(text: &str) -> Result<Url, Wrong> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| ("is no absolute URL".to_owned(), "write an http or https URL"))
}

fn redirect(text: &str) -> Result<(Url, String), Wrong> {
    let url = web(text)?;
    let base = text.strip_suffix(CALLBACK).filter(|_| url.query().is_none() && url.fragment().is_none());
    let right = "write the URL that is registered at the provider, which ends in /openid_connect_login";
    let odd = || (format!("does not end in {CALLBACK}, the only path at which KIF answers"), right);
    let base = base.ok_or_else(odd)?;
    let base = base.to_owned();
    Ok((url, base))
}

fn path(text: &str) -> Result<String, Wrong> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
    let path = format!("/{}", text.trim_start_matches('/'));
    let odd = || ("is no plain path".to_owned(), "write it as KIF's templates do: j_spring_security_logout");
    Some(path).filter(|path| path.bytes().all(plain) && path.len() > 1).ok_or_else(odd)
}

fn minutes(text: &str) -> Result<i64, Wrong> {
    text.parse::<i32>().map(i64::from).map_err(|_| ("is no number of minutes".to_owned(), "write 240"))
}

fn key(text: &str) -> Result<Option<Secret<String>>, Wrong> {
    const RIGHT: &str = "write the 64 hexadecimal digits that the application has too (openssl rand -hex 32)";
    let digits = text.len();
    if matches!(digits, 32 | 48) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let wrong =
            format!("has {digits} digits, with which KIF silently runs a weaker AES; the relay does not");
        return Err((wrong, RIGHT));
    }
    let key = MasterKey::from_hex(text).map_err(|error| (format!("is no key: {error}"), RIGHT))?;
    Ok((!key.is_published_sample()).then(|| Secret::new(text.to_ascii_lowercase())))
}

fn iv(text: &str) -> Result<String, Wrong> {
    const RIGHT: &str = "write the 32 hexadecimal digits that the application has too";
    let length = text.chars().count();
    if length != 32 {
        return Err((format!("has {length} characters instead of 32 hexadecimal digits"), RIGHT));
    }
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(("holds characters that are not hexadecimal digits".to_owned(), RIGHT));
    }
    Ok(text.to_ascii_lowercase())
}

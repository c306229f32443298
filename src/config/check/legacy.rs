//! `[legacy.<app>]`: the legacy applications.

use std::path::Path;
use std::time::Duration;

use super::claims as brought;
use super::demands::Demands;
use super::one_of;
use super::secrets::{self, Names};
use super::wire;
use crate::clock::Timestamp;
use crate::config::Purpose;
use crate::config::file::{Element, Section};
use crate::config::value::{Raw, Wrong, boolean, choice, instant, text, texts, web_url, whole};
use crate::legacy::{App, AppKey, CallbackRule, Delivery, MasterKey};
use crate::paths::{self, BadAppId};
use crate::service::{Service, ServiceId, UpstreamName};
use crate::upstream::Profile;

/// What an application's section stands in.
pub(super) struct Around<'a> {
    /// The directory of the configuration.
    pub(super) base: &'a Path,
    /// What the configuration is for.
    pub(super) purpose: Purpose,
    /// Whether the relay is reached on this machine only.
    pub(super) on_loopback: bool,
    /// The upstreams that can be named.
    pub(super) upstreams: &'a [(&'a str, Option<&'static Profile>)],
}

/// What the sections say.
pub(super) struct Apps<'d> {
    /// Every name, that of a faulty section included.
    pub(super) ids: Vec<&'d str>,
    /// The sections without a fault.
    pub(super) apps: Vec<App>,
}

pub(super) fn apps<'d>(sections: Vec<(&'d str, Section<'d>)>, around: &Around<'_>) -> Apps<'d> {
    let mut all = Apps { ids: Vec::new(), apps: Vec::new() };
    let mut keys = Keys::default();
    for (name, section) in sections {
        all.ids.push(name);
        all.apps.extend(one(name, &section, around, &mut keys));
        section.finish();
    }
    all
}

fn one(name: &str, section: &Section<'_>, around: &Around<'_>, keys: &mut Keys) -> Option<App> {
    let id = match paths::app_id(name) {
        Ok(id) => Some(id),
        Err(BadAppId::Grammar) => {
            section
                .fault("", Wrong::new("is no name for an application", "name it [a-z0-9][a-z0-9_-]{0,63}"));
            None
        }
        Err(BadAppId::Reserved { path, .. }) => {
            let wrong = format!("is a word of our own path {path}");
            section.fault("", Wrong { wrong, right: "name the application otherwise".to_owned() });
            None
        }
    };
    let current = keys.read(section, &KEY, true, around);
    let previous = previous(section, keys, around);
    let callbacks = callbacks(section, around.on_loopback);
    let enabled = section.or("enabled", true, boolean);
    let deliveries = [("query", Delivery::Query), ("reference", Delivery::Reference)];
    let delivery = section.or("delivery", Delivery::Query, choice(&deliveries));
    let wire = wire::read(section, delivery, around.purpose);
    let request_max_age = section.or("request_max_age", 900, whole(30..=86_400));
    let max_answer_query = section.or("max_answer_query", 2_000, whole(500..=16_000));
    let service = service(name, section, around);
    let (wire, id, (current, previous)) = (wire?, id?, (current?, previous?));
    let wire::Choice { wire, iv, sunset, relay_claims } = wire;
    let derived = |key: &MasterKey, until| AppKey::new(key, wire, &id, iv, until);
    let mut keys = vec![derived(&current, None)?];
    for (key, until) in &previous {
        keys.push(derived(key, Some(*until))?);
    }
    let (callbacks, mut service) = (callbacks?, service?);
    service.enabled = enabled;
    service.origins = callbacks.iter().map(CallbackRule::origin).collect();
    Some(App {
        service,
        wire,
        keys,
        callbacks,
        delivery,
        request_max_age: Duration::from_secs(request_max_age),
        max_answer_query,
        sunset,
        relay_claims,
    })
}

fn service(name: &str, section: &Section<'_>, around: &Around<'_>) -> Option<Service> {
    let label = section.required("name", "write the name that people read", text);
    let home_url = section.required("home_url", "write the URL of its first page", web_url);
    let upstreams = upstreams(section, around);
    let scopes = section.optional("scopes", scopes).or_else(|| {
        let first = upstreams.as_ref()?.first()?;
        let profile = around.upstreams.iter().find(|(name, _)| *name == first.as_str())?.1;
        let more = profile.map_or(&[][..], |profile| profile.default_scopes);
        Some(std::iter::once("openid").chain(more.iter().copied()).map(str::to_owned).collect())
    });
    let claims = section.or("claims", Vec::new(), claims);
    let profile = |name: &UpstreamName| around.upstreams.iter().find(|(known, _)| *known == name.as_str())?.1;
    let profiles = upstreams.iter().flatten().map(profile).collect::<Option<Vec<_>>>().unwrap_or_default();
    if let Some(scopes) = &scopes {
        brought::check(section, scopes, &claims, &profiles);
    }
    let Demands { acr, sso, max_age } = Demands::read(section, &profiles);
    Some(Service {
        id: ServiceId::parse(name)?,
        enabled: true,
        name: label?,
        upstreams: upstreams?,
        scopes: scopes?,
        claims,
        acr,
        sso,
        home_url: home_url?,
        origins: Vec::new(),
        max_age,
    })
}

fn upstreams(section: &Section<'_>, around: &Around<'_>) -> Option<Vec<UpstreamName>> {
    let known = || around.upstreams.iter().map(|(name, _)| *name);
    let right = one_of("write the name of a section [upstream.…]", known());
    let list = section.required("upstream", &right, texts)?;
    for name in list.iter().filter(|name| !known().any(|known| known == name.as_str())) {
        let wrong = format!("{name:?} is no upstream");
        section.fault("upstream", Wrong { wrong, right: right.clone() });
    }
    Some(list.into_iter().map(UpstreamName).collect())
}

fn scopes(raw: &Raw<'_>) -> Result<Vec<String>, Wrong> {
    let list = texts(raw)?;
    if !list.iter().any(|scope| scope == "openid") {
        return Err(Wrong::new("lacks \"openid\"", "add it: without it nobody is signed in"));
    }
    // RFC 6749, section 3.3.
    let fits = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    match list.iter().find(|scope| !scope.bytes().all(fits)) {
        Some(odd) => {
            Err(Wrong { wrong: format!("{odd:?} is no scope"), right: "write one scope per text".to_owned() })
        }
        None => Ok(list),
    }
}

/// The members of an answer that the relay writes itself.
const OURS: [&str; 9] = ["iss", "aud", "iat", "exp", "jti", "state", "nonce", "acr", "auth_time"];

fn claims(raw: &Raw<'_>) -> Result<Vec<String>, Wrong> {
    if raw.value.as_array().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let list = texts(raw)?;
    match list.iter().find(|claim| OURS.contains(&claim.as_str())) {
        Some(ours) => Err(Wrong {
            wrong: format!("names {ours:?}"),
            right: "leave it out: the relay writes it into every answer".to_owned(),
        }),
        None => Ok(list),
    }
}

/// The callbacks; `None` if one is wrong.
fn callbacks(section: &Section<'_>, on_loopback: bool) -> Option<Vec<CallbackRule>> {
    const RIGHT: &str = "list the exact URLs that may receive an answer: [\"https://app.example/return\"]";
    let Some(elements) = section.elements("callbacks") else {
        section.fault("callbacks", Wrong::new("is missing", RIGHT));
        return None;
    };
    if elements.is_empty() {
        section.fault("callbacks", Wrong::new("is empty", RIGHT));
    }
    let rule = |element| callback(section, element, on_loopback);
    let rules: Vec<_> = elements.into_iter().map(rule).collect();
    rules.into_iter().collect()
}

fn callback(section: &Section<'_>, element: Element<'_>, on_loopback: bool) -> Option<CallbackRule> {
    let (url, keys) = match element.section {
        Some(table) => {
            let url = table.required("url", "write the exact URL, without its query", text);
            let keys = table.or("query_keys", Vec::new(), texts);
            table.finish();
            (url?, keys)
        }
        None => match text(&Raw { value: element.value, env: false }) {
            Ok(url) => (url, Vec::new()),
            Err(wrong) => {
                section.fault(&element.path, wrong);
                return None;
            }
        },
    };
    match CallbackRule::new(&url, keys, on_loopback) {
        Ok(rule) => Some(rule),
        Err(error) => {
            let right = "write an exact https URL, and its query keys apart: { url = …, query_keys = […] }";
            section
                .fault(&element.path, Wrong { wrong: format!("{url:?}: {error}"), right: right.to_owned() });
            None
        }
    }
}

const KEY: Names = Names { direct: "key", file: "key_file" };
const PREVIOUS: Names = Names { direct: "previous_key", file: "previous_key_file" };
const UNTIL: &str = "previous_key_until";

/// The key before the current one and its end, if there is one; `None` if it is wrong.
fn previous(
    section: &Section<'_>,
    keys: &mut Keys,
    around: &Around<'_>,
) -> Option<Vec<(MasterKey, Timestamp)>> {
    let until = section.optional(UNTIL, instant);
    let key = keys.read(section, &PREVIOUS, false, around);
    let has_key = section.has(PREVIOUS.direct) || section.has(PREVIOUS.file);
    match (has_key, section.has(UNTIL)) {
        (false, false) => Some(Vec::new()),
        (true, true) => Some(vec![(key?, until?)]),
        (true, false) => {
            let right =
                "write when it ends, such as \"2027-01-31T23:59:59Z\", or leave out previous_key_file";
            section.fault(UNTIL, Wrong::new("is missing", right));
            None
        }
        (false, true) => {
            section.fault(
                PREVIOUS.file,
                Wrong::new("is missing", "name the key's file, or leave out previous_key_until"),
            );
            None
        }
    }
}

/// The keys of all applications: none may be used twice.
#[derive(Default)]
struct Keys(Vec<(String, crate::legacy::KeyFingerprint)>);

impl Keys {
    fn read(
        &mut self,
        section: &Section<'_>,
        names: &Names,
        required: bool,
        around: &Around<'_>,
    ) -> Option<MasterKey> {
        const RIGHT: &str = "write 64 hexadecimal digits (`relais keys generate legacy`)";
        let read = if required { secrets::required } else { secrets::optional };
        let text = read(section, names, around.base)?;
        let at = if section.has(names.direct) { names.direct } else { names.file };
        let key = match MasterKey::from_hex(text.expose()) {
            Ok(key) => key,
            Err(error) => {
                let wrong = format!("holds no key: {error}");
                section.fault(at, Wrong { wrong, right: RIGHT.to_owned() });
                return None;
            }
        };
        if key.is_published_sample() && around.purpose != Purpose::Demo {
            let right = "make one of your own (`relais keys generate legacy`)";
            section.fault(
                at,
                Wrong::new("holds the sample key that KIF publishes, which everybody knows", right),
            );
        }
        let path = section.path_of(at);
        let fingerprint = key.fingerprint();
        if let Some((other, _)) = self.0.iter().find(|(_, known)| *known == fingerprint) {
            let right = "give each its own (`relais keys generate legacy`)".to_owned();
            section.fault(at, Wrong { wrong: format!("holds the same key as {other}"), right });
        }
        self.0.push((path, fingerprint));
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{faults, place, read};

    const SAMPLE: &str = include_str!("../../../config/relais.toml");

    /// A8: an endpoint of ours would stand where the application's should.
    #[test]
    fn words_of_our_own_paths_are_no_applications() {
        let dir = place();
        for (word, path) in
            [("claim", "/idp/claim"), ("confirm", "/idp/confirm"), ("return", "/logout/return/{upstream}")]
        {
            let text = SAMPLE.replace("[legacy.compta]", &format!("[legacy.{word}]"));
            assert_eq!(
                faults(&text, dir.path(), &[]),
                format!("legacy.{word}: is a word of our own path {path}; name the application otherwise")
            );
        }
        for free in ["idp", "logout", "static", "callback"] {
            let text = SAMPLE.replace("[legacy.compta]", &format!("[legacy.{free}]"));
            assert!(read(&text, dir.path(), &[]).is_ok(), "{free}");
        }
    }
}

//! `[upstream.<name>]`: our registrations at national providers.

use std::collections::BTreeMap;
use std::path::Path;

use url::Url;

use super::credentials::{credentials, encryption};
use super::one_of;
use super::secrets::is_placeholder;
use crate::config::file::Section;
use crate::config::value::{Raw, Wrong, boolean, choice, plain_url, text, texts, web_url, whole};
use crate::paths;
use crate::service::{ServiceId, UpstreamName};
use crate::upstream::{Endpoints, LEEWAY, PROFILES, Profile, Settings, Signatures, Signer, UserinfoKind};

/// What the sections say.
pub(super) struct Upstreams<'d> {
    /// Every name, that of a faulty section included, with its profile.
    pub(super) known: Vec<(&'d str, Option<&'static Profile>)>,
    /// The sections without a fault.
    pub(super) settings: Vec<Settings>,
    /// The names that people read.
    pub(super) labels: BTreeMap<UpstreamName, String>,
}

pub(super) fn upstreams<'d>(
    sections: Vec<(&'d str, Section<'d>)>,
    base: &Path,
    public_url: Option<&Url>,
) -> Upstreams<'d> {
    let mut all = Upstreams { known: Vec::new(), settings: Vec::new(), labels: BTreeMap::new() };
    let mut taken = BTreeMap::new();
    for (name, section) in sections {
        let profile = section.required("profile", &one_of("write one of", names()), profile);
        all.known.push((name, profile));
        let label = section.optional("name", text).unwrap_or_else(|| name.to_owned());
        all.labels.insert(UpstreamName(name.to_owned()), label);
        all.settings.extend(one(name, &section, profile, base, public_url, &mut taken));
        section.finish();
    }
    all
}

fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|profile| profile.name)
}

fn profile(raw: &Raw<'_>) -> Result<&'static Profile, Wrong> {
    let list: Vec<_> = PROFILES.iter().map(|profile| (profile.name, *profile)).collect();
    choice(&list)(raw)
}

fn one(
    name: &str,
    section: &Section<'_>,
    profile: Option<&'static Profile>,
    base: &Path,
    public_url: Option<&Url>,
    taken: &mut BTreeMap<String, String>,
) -> Option<Settings> {
    if ServiceId::parse(name).is_none() {
        let right = "name it [a-z0-9][a-z0-9_-]{0,63}";
        section.fault("", Wrong::new("is no name for an upstream", right));
    }
    // A default of the profile is asked for in any case, so that the key is known.
    let standard = profile.or_else(|| Profile::find("generic"));
    if let Some(warning) = profile.and_then(|p| p.warning) {
        section.warn("profile", warning);
    }
    let issuers = section.required("issuer", "write the provider's issuer, an https URL", issuers);
    let client_id = section.required("client_id", "write the id that the provider gave", client_id);
    let (credentials, signatures) = credentials(section, profile, base);
    let shared = matches!(signatures, Some(Signatures::Shared(_)));
    let userinfo = section.optional("userinfo", choice(&USERINFO)).or(standard.map(|p| p.userinfo));
    let (decryption_keys, encrypted_id_token) = encryption(section, profile, userinfo, base);
    let require_iss = section.or("require_iss", false, boolean);
    let leeway = section.or("leeway_seconds", LEEWAY, whole(0..=300));
    let subject_namespace = section.or("subject_namespace", name.to_owned(), text);
    let redirect_uri = section.optional("redirect_uri", plain_url);
    let redirect_uri = redirect_uri.or_else(|| below(public_url?, paths::CALLBACK, name));
    let after_logout = section.optional("post_logout_redirect_uri", plain_url);
    let after_logout = after_logout.or_else(|| below(public_url?, paths::LOGOUT_RETURN, name));
    let logout_hint = section.or("logout_id_token_hint", true, boolean);
    if !logout_hint && profile.is_some_and(|profile| profile.logout_needs_hint) {
        let wrong = Wrong::new("is needed by this profile, which ends no session without it", "leave it out");
        section.fault("logout_id_token_hint", wrong);
    }
    if let (Some(uri), Some(public_url)) = (&redirect_uri, public_url) {
        check_redirect(section, uri, public_url);
        if let Some(other) = taken.insert(uri.path().to_owned(), section.path_of("")) {
            let wrong = format!("has the path of {other}, {}", uri.path());
            let right = "register another: the path tells which provider answers".to_owned();
            section.fault("redirect_uri", Wrong { wrong, right });
        }
    }
    if let (Some(uri), Some(public_url)) = (&after_logout, public_url)
        && stands_at_ours(uri.path(), public_url)
    {
        let wrong = format!("is a path of our own pages, {}", uri.path());
        let right = "choose another, such as /logout/return/…".to_owned();
        section.fault("post_logout_redirect_uri", Wrong { wrong, right });
    }
    let wants_userinfo = userinfo != Some(UserinfoKind::Off);
    let endpoints = section.has("endpoints");
    if let Some(profile) = profile.filter(|p| !p.discovery && !endpoints) {
        let wrong = format!("is missing: {} has no discovery document", profile.name);
        let right = format!("write [{}] with each of its addresses", section.path_of("endpoints"));
        section.fault("endpoints", Wrong { wrong, right });
    }
    let written = endpoints_of(section.section("endpoints"), endpoints, wants_userinfo, shared, profile);
    let endpoints = if endpoints { Some(written?) } else { None };
    Some(Settings {
        name: UpstreamName(name.to_owned()),
        profile: profile?,
        issuers: issuers?,
        endpoints,
        client_id: client_id?,
        credentials: credentials?,
        redirect_uri: redirect_uri?,
        post_logout_redirect_uri: after_logout,
        logout_hint,
        signatures: signatures?,
        decryption_keys: decryption_keys?,
        encrypted_id_token,
        userinfo: userinfo?,
        require_iss,
        leeway,
        subject_namespace,
    })
}

const USERINFO: [(&str, UserinfoKind); 4] = [
    ("json", UserinfoKind::Json),
    ("signed_jwt", UserinfoKind::SignedJwt),
    ("encrypted_jwt", UserinfoKind::EncryptedJwt),
    ("off", UserinfoKind::Off),
];

fn issuers(raw: &Raw<'_>) -> Result<Vec<String>, Wrong> {
    let list = texts(raw)?;
    for issuer in &list {
        let value = toml::Value::from(issuer.as_str());
        let url = plain_url(&Raw { value: &value, env: raw.env })?;
        // The address of the metadata is the issuer's with a path behind it, or before its own (RFC 8414, section 3.1).
        if let Some((before, behind)) = url.path().split_once("/.well-known") {
            let behind = behind.trim_start_matches('/').split_once('/').map_or("", |(_, rest)| rest);
            let parts = [before.trim_matches('/'), behind.trim_matches('/')];
            let path: String =
                parts.iter().filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect();
            let origin = url.origin().ascii_serialization();
            let right = format!("write \"{origin}{path}\", or what `issuer` says in that document");
            return Err(Wrong { wrong: "is the address of a discovery document".to_owned(), right });
        }
    }
    Ok(list)
}

/// A client id, which is no placeholder.
fn client_id(raw: &Raw<'_>) -> Result<String, Wrong> {
    let id = text(raw)?;
    if is_placeholder(&id) {
        return Err(Wrong::new("is a placeholder", "write the id that the provider gave"));
    }
    Ok(id)
}

fn endpoints_of(
    section: Section<'_>,
    written: bool,
    wants_userinfo: bool,
    shared: bool,
    profile: Option<&Profile>,
) -> Option<Endpoints> {
    const RIGHT: &str = "write an https URL, or leave out all endpoints for discovery";
    let right = if profile.is_none_or(|p| p.discovery) { RIGHT } else { "write an https URL" };
    let needed = |key| {
        if written { section.required(key, right, web_url) } else { section.optional(key, web_url) }
    };
    let (authorization, token) = (needed("authorization"), needed("token"));
    let jwks = if shared || profile.is_some_and(|p| p.signer == Signer::ClientSecret) {
        if section.has("jwks") {
            section.fault("jwks", Wrong::new("is of no use: the client secret signs", "leave it out"));
        }
        section.optional("jwks", web_url);
        None
    } else {
        Some(needed("jwks"))
    };
    let userinfo = section.optional("userinfo", web_url);
    if written && wants_userinfo && !section.has("userinfo") {
        let right = "write its URL, or set userinfo = \"off\" for this upstream";
        section.fault("userinfo", Wrong::new("is missing", right));
    }
    let end_session = section.optional("end_session", web_url);
    section.finish();
    let jwks = match jwks {
        Some(published) => Some(published?),
        None => None,
    };
    Some(Endpoints { authorization: authorization?, token: token?, userinfo, jwks, end_session })
}

/// `url` with the path `pattern` below it, of the upstream `name`.
fn below(url: &Url, pattern: &str, name: &str) -> Option<Url> {
    let mut url = url.clone();
    let segments = pattern.split('/').skip(1);
    let named = segments.map(|segment| if segment.starts_with('{') { name } else { segment });
    url.path_segments_mut().ok()?.pop_if_empty().extend(named);
    Some(url)
}

/// Whether a path begins like one of our own pages.
pub(super) fn is_ours(path: &str, public_url: &Url) -> bool {
    let own = below_ours(path, public_url).trim_start_matches('/');
    paths::first_segments().any(|ours| own.split('/').next() == Some(ours))
}

/// Whether a page of ours stands at the very path.
fn stands_at_ours(path: &str, public_url: &Url) -> bool {
    paths::has(below_ours(path, public_url))
}

fn below_ours<'p>(path: &'p str, public_url: &Url) -> &'p str {
    path.strip_prefix(public_url.path().trim_end_matches('/')).unwrap_or(path)
}

fn check_redirect(section: &Section<'_>, uri: &Url, public_url: &Url) {
    let path = uri.path();
    if is_ours(path, public_url) {
        let wrong = format!("has a path of our own pages, {path}");
        section
            .fault("redirect_uri", Wrong { wrong, right: "choose another, such as /callback/…".to_owned() });
    }
    if uri.host_str() != public_url.host_str() {
        section.warn(
            "redirect_uri",
            "names another host than server.public_url: the browser's cookie stays behind unless a proxy brings it home",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{faults, place, read, secret};

    const ENDPOINTS: &str = "[upstream.v1.endpoints]\nauthorization = \"https://v1.example/a\"\n\
        token = \"https://v1.example/t\"\nuserinfo = \"https://v1.example/u\"\n";

    fn v1(more: &str) -> String {
        let sample = include_str!("../../../config/relais.toml");
        format!(
            "{sample}\n[upstream.v1]\nprofile = \"franceconnect_v1\"\nissuer = \"https://v1.example\"\n\
             client_id = \"x\"\nclient_secret_file = \"v1.secret\"\n{more}"
        )
    }

    #[test]
    fn where_the_client_secret_signs_there_is_neither_discovery_nor_choice() {
        let dir = place();
        secret(dir.path(), "v1.secret", &"2".repeat(64));
        let fault = |more: &str| faults(&v1(more), dir.path(), &[]);
        assert_eq!(
            fault(""),
            "upstream.v1.endpoints: is missing: franceconnect_v1 has no discovery document; \
             write [upstream.v1.endpoints] with each of its addresses"
        );
        let more = format!("signing_algs = [\"ES256\"]\n{ENDPOINTS}jwks = \"https://v1.example/j\"");
        assert_eq!(
            fault(&more),
            "upstream.v1.signing_algs: is of no use: the client secret signs, by HS256; leave it out\n\
             upstream.v1.endpoints.jwks: is of no use: the client secret signs; leave it out"
        );
        secret(dir.path(), "v1.secret", &"2".repeat(31));
        assert_eq!(
            fault(ENDPOINTS),
            "upstream.v1.client_secret_file: is shorter than 32 bytes, and signs; have the provider give a longer one"
        );
        secret(dir.path(), "v1.secret", &"2".repeat(32));
        let config = read(&v1(ENDPOINTS), dir.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
        let warned = config.warnings.iter().find(|warning| warning.path == "upstream.v1.profile");
        assert!(warned.is_some_and(|warning| warning.text.contains("retired")));
        let settings = config.upstreams.iter().find(|settings| settings.name.as_str() == "v1").unwrap();
        assert_eq!(settings.endpoints.as_ref().unwrap().jwks, None);
    }

    #[test]
    fn an_upstream_does_not_send_browsers_to_a_page_of_ours() {
        let sample = include_str!("../../../config/relais.toml");
        let dir = place();
        let with = |key: &str, path: &str| {
            let more = format!("[upstream.fc]\n{key} = \"https://relais.example{path}\"");
            faults(&sample.replacen("[upstream.fc]", &more, 1), dir.path(), &[])
        };
        for path in ["/", "/idp", "/idp/x", "/static/x", "/upstream/fc/jwks"] {
            assert!(with("redirect_uri", path).contains("has a path of our own pages"), "{path}");
        }
        for path in ["/", "/idp", "/idp/claim", "/idp/x", "/logout/compta", "/upstream/fc/jwks"] {
            assert!(with("post_logout_redirect_uri", path).contains("is a path of our own pages"), "{path}");
        }
    }
}

//! `[upstream.<name>]`: our registrations at national providers.

use std::collections::BTreeMap;
use std::path::Path;

use url::Url;

use super::one_of;
use super::secrets::{self, Names};
use crate::config::file::Section;
use crate::config::value::{Raw, Wrong, boolean, choice, plain_url, text, texts, web_url, whole};
use crate::service::{AppId, UpstreamName};
use crate::upstream::{Alg, ClientAuth, Endpoints, LEEWAY, PROFILES, Profile, Settings, UserinfoKind};

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
    let mut paths = BTreeMap::new();
    for (name, section) in sections {
        let profile = section.required("profile", &one_of("write one of", names()), profile);
        all.known.push((name, profile));
        let label = section.optional("name", text).unwrap_or_else(|| name.to_owned());
        all.labels.insert(UpstreamName(name.to_owned()), label);
        all.settings.extend(one(name, &section, profile, base, public_url, &mut paths));
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
    paths: &mut BTreeMap<String, String>,
) -> Option<Settings> {
    const SECRET: Names = Names { direct: "client_secret", file: "client_secret_file" };
    if AppId::parse(name).is_none() {
        let right = "name it [a-z0-9][a-z0-9_-]{0,63}, and not \"claim\"";
        section.fault("", Wrong::new("is no name for an upstream", right));
    }
    // A default of the profile is asked for in any case, so that the key is known.
    let standard = profile.or_else(|| Profile::find("generic"));
    let issuers = section.required("issuer", "write the provider's issuer, an https URL", issuers);
    let client_id = section.required("client_id", "write the id that the provider gave", text);
    let client_secret = secrets::required(section, &SECRET, base);
    let client_auth = section.optional("client_auth", choice(&AUTHS)).or(standard.map(|p| p.client_auth));
    let signing_algs = section.optional("signing_algs", algs).or(standard.map(|p| p.signing_algs.to_vec()));
    let userinfo = section.optional("userinfo", choice(&USERINFO)).or(standard.map(|p| p.userinfo));
    let require_iss = section.or("require_iss", false, boolean);
    let leeway = section.or("leeway_seconds", LEEWAY, whole(0..=300));
    let redirect_uri = section.optional("redirect_uri", plain_url);
    let redirect_uri = redirect_uri.or_else(|| below(public_url?, &["callback", name]));
    let after_logout = section.optional("post_logout_redirect_uri", plain_url);
    let after_logout = after_logout.or_else(|| below(public_url?, &["logout", "return", name]));
    if let (Some(uri), Some(public_url)) = (&redirect_uri, public_url) {
        check_redirect(section, uri, public_url);
        if let Some(other) = paths.insert(uri.path().to_owned(), section.path_of("")) {
            let wrong = format!("has the path of {other}, {}", uri.path());
            let right = "register another: the path tells which provider answers".to_owned();
            section.fault("redirect_uri", Wrong { wrong, right });
        }
    }
    let wants_userinfo = userinfo != Some(UserinfoKind::Off);
    let endpoints = section.has("endpoints");
    let written = endpoints_of(section.section("endpoints"), endpoints, wants_userinfo);
    let endpoints = if endpoints { Some(written?) } else { None };
    Some(Settings {
        name: UpstreamName(name.to_owned()),
        profile: profile?,
        issuers: issuers?,
        endpoints,
        client_id: client_id?,
        client_secret: client_secret?,
        client_auth: client_auth?,
        redirect_uri: redirect_uri?,
        post_logout_redirect_uri: after_logout,
        signing_algs: signing_algs?,
        userinfo: userinfo?,
        require_iss,
        leeway,
    })
}

const AUTHS: [(&str, ClientAuth); 2] =
    [("client_secret_post", ClientAuth::SecretPost), ("client_secret_basic", ClientAuth::SecretBasic)];

const USERINFO: [(&str, UserinfoKind); 3] =
    [("json", UserinfoKind::Json), ("signed_jwt", UserinfoKind::SignedJwt), ("off", UserinfoKind::Off)];

fn issuers(raw: &Raw<'_>) -> Result<Vec<String>, Wrong> {
    let list = texts(raw)?;
    for issuer in &list {
        let value = toml::Value::from(issuer.as_str());
        plain_url(&Raw { value: &value, env: raw.env })?;
    }
    Ok(list)
}

fn algs(raw: &Raw<'_>) -> Result<Vec<Alg>, Wrong> {
    let list = Alg::ALL.map(|alg| (alg.as_str(), alg));
    let one = |name: String| choice(&list)(&Raw { value: &name.into(), env: raw.env });
    texts(raw)?.into_iter().map(one).collect()
}

fn endpoints_of(section: Section<'_>, written: bool, wants_userinfo: bool) -> Option<Endpoints> {
    const RIGHT: &str = "write an https URL, or leave out all endpoints for discovery";
    let needed = |key| {
        if written { section.required(key, RIGHT, web_url) } else { section.optional(key, web_url) }
    };
    let (authorization, token, jwks) = (needed("authorization"), needed("token"), needed("jwks"));
    let userinfo = section.optional("userinfo", web_url);
    if written && wants_userinfo && !section.has("userinfo") {
        let right = "write its URL, or set userinfo = \"off\" for this upstream";
        section.fault("userinfo", Wrong::new("is missing", right));
    }
    let end_session = section.optional("end_session", web_url);
    section.finish();
    Some(Endpoints { authorization: authorization?, token: token?, userinfo, jwks: jwks?, end_session })
}

/// `url` with more segments.
fn below(url: &Url, segments: &[&str]) -> Option<Url> {
    let mut url = url.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
    Some(url)
}

/// The first segments of our own pages, which no upstream may answer at.
const OURS: [&str; 4] = ["", "idp", "logout", "static"];

fn check_redirect(section: &Section<'_>, uri: &Url, public_url: &Url) {
    let base = public_url.path().trim_end_matches('/');
    let path = uri.path();
    let own = path.strip_prefix(base).unwrap_or(path).trim_start_matches('/');
    let first = own.split('/').next().unwrap_or_default();
    if OURS.contains(&first) {
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

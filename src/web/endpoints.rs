//! The list of endpoints: one spelling each.

use axum::http::Method;

use super::refusal::Refusal;
use crate::app::{ReturnPath, Rules};
use crate::service::UpstreamName;

/// An endpoint of the public listener.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// The relay's own page.
    Home,
    /// A file that the pages need.
    Static(String),
    /// Where a legacy application sends the browser; without a name, the default application.
    Idp(Option<String>),
    /// The answer to the confirmation page.
    Confirm,
    /// Where an application's server exchanges a reference.
    Claim,
    /// Where an upstream sends the browser after a login.
    Callback(UpstreamName),
    /// Where an application sends the browser to end its session.
    Logout(String),
    /// The same for the default application, at the path that it knows from before.
    LogoutAlias,
    /// The error page, at the path that applications know from before.
    ErrorAlias,
    /// Where an upstream sends the browser after a logout.
    LogoutReturn,
    /// Our public keys for an upstream.
    Jwks(UpstreamName),
}

impl Endpoint {
    /// The endpoint of `path`, compared byte for byte.
    pub(super) fn find(rules: &Rules, path: &str) -> Option<Self> {
        match rules.paths.get(path) {
            Some(ReturnPath::Callback(name)) => return Some(Self::Callback(name.clone())),
            Some(ReturnPath::Logout(_)) => return Some(Self::LogoutReturn),
            None => {}
        }
        let is_alias = |alias: &Option<String>| alias.as_deref() == Some(path);
        if is_alias(&rules.aliases.logout) {
            return Some(Self::LogoutAlias);
        }
        if is_alias(&rules.aliases.error) {
            return Some(Self::ErrorAlias);
        }
        let path = path.strip_prefix(rules.base())?;
        let mut segments = path.strip_prefix('/')?.split('/');
        let found = match (segments.next()?, segments.next(), segments.next()) {
            ("", None, _) => Self::Home,
            ("idp", None, _) => Self::Idp(None),
            ("idp", Some("claim"), None) => Self::Claim,
            ("idp", Some("confirm"), None) => Self::Confirm,
            ("idp", Some(app), None) if is_plain(app) => Self::Idp(Some(app.to_owned())),
            ("logout", Some(app), None) if is_plain(app) => Self::Logout(app.to_owned()),
            ("upstream", Some(name), Some("jwks")) if is_plain(name) && segments.next().is_none() => {
                Self::Jwks(UpstreamName(name.to_owned()))
            }
            ("static", Some(name), None) if is_plain(name) => Self::Static(name.to_owned()),
            _ => return None,
        };
        Some(found)
    }

    /// Whether the endpoint takes this method.
    pub(super) fn admits(&self, method: &Method) -> Result<(), Refusal> {
        let (methods, allow) = self.methods();
        if methods.contains(method) { Ok(()) } else { Err(Refusal::method(allow)) }
    }

    fn methods(&self) -> (&'static [Method], &'static str) {
        match self {
            Self::Home | Self::Static(_) | Self::Idp(_) | Self::ErrorAlias | Self::Jwks(_) => {
                (&[Method::GET, Method::HEAD], "GET, HEAD")
            }
            Self::Callback(_) | Self::LogoutAlias | Self::LogoutReturn => (&[Method::GET], "GET"),
            Self::Confirm | Self::Claim => (&[Method::POST], "POST"),
            Self::Logout(_) => (&[Method::GET, Method::POST], "GET, POST"),
        }
    }
}

/// A segment that means itself: no percent sign, no dot segment.
fn is_plain(segment: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !segment.is_empty() && segment.len() <= 64 && segment.bytes().all(plain) && !segment.starts_with('.')
}

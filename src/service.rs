//! What one application may ask for and receive, whichever protocol it speaks.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::identity::{Acr, AcrPolicy};

/// The id of an application: `[a-z0-9][a-z0-9_-]{0,63}`. Which words our own paths reserve, `paths` says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceId(String);

impl ServiceId {
    /// Checks and takes `id`; `None` if it does not fit.
    pub fn parse(id: &str) -> Option<Self> {
        let bytes = id.as_bytes();
        let head = bytes.first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let tail = bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(b));
        (head && tail && bytes.len() <= 64).then(|| Self(id.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServiceId {
    type Error = &'static str;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::parse(&id).ok_or("an application id is [a-z0-9][a-z0-9_-]{0,63}")
    }
}

impl From<ServiceId> for String {
    fn from(id: ServiceId) -> Self {
        id.0
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of one upstream registration in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpstreamName(pub String);

impl UpstreamName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One application's entitlements.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Whether it is served at all.
    pub enabled: bool,
    /// The name that people read on our pages.
    pub name: String,
    /// The upstream registrations that may serve it, the default first; never empty.
    pub upstreams: Vec<UpstreamName>,
    /// The scopes asked of the upstream, `openid` included.
    pub scopes: Vec<String>,
    /// The claims that may be delivered; nothing else is, `sub` and the relay's own members apart.
    pub claims: Vec<String>,
    /// The level it demands, if any.
    pub acr: Option<AcrPolicy>,
    /// How a session at the relay may serve it.
    pub sso: Sso,
    /// The one button on its error and signed-out pages.
    pub home_url: Url,
    /// The origins to which its answers lead: what `form-action` of the confirmation page must allow.
    pub origins: Vec<String>,
    /// Greatest age of an authentication that may serve it, in seconds.
    pub max_age: Option<u64>,
}

/// How a session at the relay may serve a legacy application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sso {
    /// After a page that names the application and the person.
    Confirm,
    /// Without a page (forced login is possible; an explicit opt-in).
    Silent,
    /// Never: always by the upstream.
    Off,
}

/// What one request asks beyond the application's configuration. It may only narrow it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Demand {
    /// Levels wanted, in order.
    pub acr_values: Vec<Acr>,
    /// `prompt` (OpenID Connect Core, section 3.1.2.1).
    pub prompt: Option<Prompt>,
    /// Greatest age of the authentication, in seconds.
    pub max_age: Option<u64>,
    /// Hint about who signs in, passed to upstreams that take one.
    pub login_hint: Option<String>,
    /// Languages wanted, in order (BCP 47).
    pub ui_locales: Vec<String>,
}

/// The values of `prompt` that a relay can honour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// No page may be shown.
    None,
    /// The person must authenticate again.
    Login,
    /// The person must be asked before anything is delivered.
    Consent,
}

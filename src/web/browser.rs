//! The cookie that binds logins in flight to one browser: random, apart from the session, so that a sign-in
//! in another tab does not kill them. It also remembers which application was last asked for, for the button
//! of a page that knows nothing else.

use axum::http::HeaderValue;
use cookie::{Cookie, SameSite};

use crate::app::Rules;
use crate::crypto::hash::sha256;
use crate::entropy::Entropy;
use crate::login::BrowserId;
use crate::service::ServiceId;

/// A browser that we have seen.
#[derive(Clone)]
pub(super) struct Browser {
    handle: String,
    /// The application that it last asked for.
    pub last_app: Option<ServiceId>,
}

impl Browser {
    /// Reads the cookie's value.
    pub(super) fn read(value: &str) -> Option<Self> {
        let (handle, app) = value.split_once('.')?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        let well_formed = handle.len() == 43 && handle.bytes().all(plain);
        well_formed.then(|| Self { handle: handle.to_owned(), last_app: ServiceId::parse(app) })
    }

    /// A browser not seen before.
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        Self { handle: entropy.handle(), last_app: None }
    }

    /// What logins are bound to.
    pub(super) fn id(&self) -> BrowserId {
        BrowserId::new(sha256(&[b"browser", self.handle.as_bytes()]))
    }

    /// The `Set-Cookie` that remembers it with `app`.
    pub(super) fn set_cookie(&self, rules: &Rules, app: &ServiceId) -> Option<HeaderValue> {
        let cookie = Cookie::build((name(rules), format!("{}.{app}", self.handle)))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(rules.is_https());
        HeaderValue::try_from(cookie.build().to_string()).ok()
    }
}

/// The cookie's name: `__Host-` on https, otherwise ending in the port, since hosts are shared there.
pub(super) fn name(rules: &Rules) -> String {
    cookie_name(rules, "relais-browser")
}

/// A cookie's name as this deployment writes it.
pub(super) fn cookie_name(rules: &Rules, stem: &str) -> String {
    if rules.is_https() {
        format!("__Host-{stem}")
    } else {
        format!("{stem}-{}", rules.public_url.port_or_known_default().unwrap_or_default())
    }
}

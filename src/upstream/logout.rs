//! Logout at the upstream (OpenID Connect RP-Initiated Logout 1.0): the URL to send the browser to.

use url::Url;

use crate::clock::Clock;
use crate::event::Trace;
use crate::secret::Secret;

use super::Upstream;

impl Upstream {
    /// Where to send the browser to end the upstream's session; `None` where the upstream has no such place,
    /// or needs a hint that is not there. `state` is sent only with an address to come back to.
    pub async fn logout_url(
        &self,
        id_token_hint: Option<&Secret<String>>,
        state: &str,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Option<Url> {
        let profile = self.settings.profile;
        if profile.logout_needs_hint && id_token_hint.is_none() {
            return None;
        }
        let hint = id_token_hint.filter(|_| self.settings.logout_hint);
        let metadata = self.metadata.get(clock, trace).await.ok()?;
        let mut url = metadata.endpoints.end_session.clone()?;
        let back = self.settings.post_logout_redirect_uri.as_ref().map(Url::as_str);
        let parameters = [
            ("id_token_hint", hint.map(|hint| hint.expose().as_str())),
            ("client_id", Some(self.settings.client_id.as_str())),
            ("post_logout_redirect_uri", back),
            ("state", back.map(|_| state)),
        ];
        {
            let mut query = url.query_pairs_mut();
            for (name, value) in parameters {
                if let Some(value) = value.filter(|_| profile.logout_parameters.contains(&name)) {
                    query.append_pair(name, value);
                }
            }
        }
        Some(url)
    }
    /// The origin of that place: what a page whose form leads there must allow.
    pub async fn logout_origin(&self, clock: &dyn Clock, trace: &Trace) -> Option<String> {
        let metadata = self.metadata.get(clock, trace).await.ok()?;
        metadata.endpoints.end_session.as_ref().map(|url| url.origin().ascii_serialization())
    }
}

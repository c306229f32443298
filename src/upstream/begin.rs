//! Sending the browser away: the authorization request (OpenID Connect Core, section 3.1.2.1).

use serde_json::json;
use url::Url;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::event::Trace;
use crate::identity::{AcrAsk, AcrMode, AcrPolicy};
use crate::login::Handshake;
use crate::service::Prompt;

use super::error::UpstreamError;
use super::metadata::Request;
use super::profiles::Profile;
use super::{Metadata, Upstream};

/// What a login asks of an upstream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// Scopes; the profile's own if empty. `openid` is always there.
    pub scopes: &'a [String],
    /// The level demanded.
    pub acr: Option<&'a AcrPolicy>,
    /// `prompt`.
    pub prompt: Option<Prompt>,
    /// Greatest age of the authentication, in seconds.
    pub max_age: Option<u64>,
    /// Who is likely to sign in.
    pub login_hint: Option<&'a str>,
    /// Languages wanted, in order.
    pub ui_locales: &'a [String],
}

/// A login that left for its upstream.
pub struct Begun {
    /// What the browser does next.
    pub step: Step,
    /// What must come back unchanged.
    pub handshake: Handshake,
}

/// What the browser does next. Upstreams that are not one redirect, such as wallets, will add a page and a
/// wait.
#[derive(Debug)]
pub enum Step {
    /// It is sent here.
    Redirect(Url),
}

impl Upstream {
    /// Begins a login with `state`, spelled as the profile wants it: draws `nonce` and, where the profile has it, a PKCE
    /// verifier.
    ///
    /// Whatever the profile does not take is left out; the broker checks the outcome. Only `prompt=none`
    /// cannot be left out, and is refused where the upstream has no silent answer.
    pub async fn begin(
        &self,
        ask: &Ask<'_>,
        state: &[u8; 32],
        entropy: &dyn Entropy,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<Begun, UpstreamError> {
        let profile = self.settings.profile;
        if ask.prompt == Some(Prompt::None) && !profile.prompts.contains(&Prompt::None) {
            return Err(UpstreamError::PageDue { error: None });
        }
        let metadata = self.metadata(clock, trace).await?;
        let (state, nonce) = ((profile.spelling)(state), (profile.spelling)(&entropy.bytes()));
        let code_verifier = profile.pkce.then(|| entropy.handle());
        let (url, scopes) = self.request(&metadata, ask, &state, &nonce, code_verifier.as_deref());
        let handshake = Handshake {
            state,
            nonce,
            code_verifier,
            issuer: metadata.issuer.clone(),
            redirect_uri: self.settings.redirect_uri.as_str().to_owned(),
            scopes,
        };
        Ok(Begun { step: Step::Redirect(url), handshake })
    }

    fn request(
        &self,
        metadata: &Metadata,
        ask: &Ask<'_>,
        state: &str,
        nonce: &str,
        code_verifier: Option<&str>,
    ) -> (Url, Vec<String>) {
        let profile = self.settings.profile;
        let asked = ask.scopes.iter().map(String::as_str);
        let default = profile.default_scopes.iter().copied().filter(|_| ask.scopes.is_empty());
        let scopes: Vec<&str> = asked.chain(default).filter(|scope| *scope != "openid").collect();
        let all_scopes = std::iter::once("openid").chain(scopes.iter().copied()).map(str::to_owned).collect();
        let request = Request {
            client_id: &self.settings.client_id,
            redirect_uri: &self.settings.redirect_uri,
            scopes,
            state,
            nonce,
            code_verifier,
            acr_values: acr_values(profile, ask.acr),
            claims: acr_claim(profile, ask.acr),
            prompt: ask.prompt.and_then(|prompt| profile.prompt(prompt)),
            max_age: max_age(profile, ask),
            login_hint: ask.login_hint.filter(|_| profile.takes("login_hint")),
            ui_locales: if profile.takes("ui_locales") { ask.ui_locales } else { &[] },
        };
        (metadata.authorization_url(&request), all_scopes)
    }
}

fn acr_values(profile: &Profile, policy: Option<&AcrPolicy>) -> Option<String> {
    if !profile.takes("acr_values") {
        return None;
    }
    let policy = policy.filter(|policy| policy.ask == AcrAsk::AcrValues || profile.acr_values_always)?;
    let values: Vec<&str> = policy.asked.iter().map(|acr| acr.0.as_str()).collect();
    (!values.is_empty()).then(|| values.join(" "))
}

/// With `max_age` the provider must say when the person signed in (OpenID Connect Core, section 2, `auth_time`): a fresh
/// sign-in is asked both ways.
fn max_age(profile: &Profile, ask: &Ask<'_>) -> Option<u64> {
    let fresh = (ask.prompt == Some(Prompt::Login)).then_some(0);
    fresh.or(ask.max_age).filter(|_| profile.takes("max_age"))
}

/// The `claims` parameter that asks for a level (OpenID Connect Core, section 5.5.1.1).
fn acr_claim(profile: &Profile, policy: Option<&AcrPolicy>) -> Option<String> {
    let policy = policy.filter(|policy| policy.ask == AcrAsk::Claims && !policy.asked.is_empty())?;
    let essential = policy.mode == AcrMode::Require;
    let acr = json!({ "essential": essential, "values": policy.asked });
    profile.takes("claims").then(|| json!({ "id_token": { "acr": acr } }).to_string())
}

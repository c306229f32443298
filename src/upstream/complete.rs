//! The browser is back: code for tokens, `id_token`, userinfo (OpenID Connect Core, sections 3.1.3 and 5.3).

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::clock::Clock;
use crate::crypto::json::Members;
use crate::crypto::jwe::JweError;
use crate::crypto::jws::MAX_LENGTH;
use crate::crypto::jwt::{Kind, NotAccepted, Verified, found};
use crate::entropy::Entropy;
use crate::event::{Facts, Step, Trace};
use crate::identity::{Acr, Identity, PROTOCOL_CLAIMS, Retention, Subject};
use crate::login::Handshake;
use crate::outbound::{Answer, OutboundError};
use crate::secret::{Secret, same};

use super::claims::{self, IdToken, TokenError};
use super::client_auth::Call;
use super::error::{Endpoint, Told, UpstreamError};
use super::metadata::{DiscoveryError, Metadata};
use super::profiles::ErrorMeaning;
use super::response::AuthorizationResponse;
use super::verifier::Lookup;
use super::{Upstream, UserinfoKind, encryption};

/// A person who signed in at the upstream. No `Debug`.
pub struct SignedIn {
    /// Who they are.
    pub identity: Identity,
    /// The signed `id_token`, decrypted if it came encrypted, for `id_token_hint` at logout: providers take no other.
    pub id_token: Secret<String>,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
}

/// The most scopes that are remembered.
const MAX_SCOPES: usize = 64;

impl Upstream {
    /// Completes a login. The code is sent once, whatever happens, and all calls together have one budget.
    pub async fn complete(
        &self,
        handshake: &Handshake,
        response: AuthorizationResponse,
        entropy: &dyn Entropy,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<SignedIn, UpstreamError> {
        let completed = Box::pin(self.completed(handshake, response, entropy, clock, trace));
        self.outbound.within_budget(completed).await
    }

    async fn completed(
        &self,
        handshake: &Handshake,
        response: AuthorizationResponse,
        entropy: &dyn Entropy,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<SignedIn, UpstreamError> {
        if !same(response.state().as_bytes(), handshake.state.as_bytes()) {
            return Err(UpstreamError::State);
        }
        let metadata = &*self.metadata(clock, trace).await?;
        let completion = Completion { upstream: self, metadata, handshake, entropy, clock, trace };
        completion.check_issuer(response.iss.as_deref())?;
        let code = response.outcome.map_err(|error| self.refusal(error, response.description))?;

        let tokens = completion.redeem(&code).await?;
        let signed =
            completion.open(Kind::IdToken, self.decrypts(Kind::IdToken), tokens.id_token.expose()).await?;
        let signed = signed.unwrap_or_else(|| tokens.id_token.clone());
        let (id_token, token_claims) = completion.check_id_token(&signed, &tokens).await?;
        let userinfo = match self.settings.userinfo {
            UserinfoKind::Off => Members::default(),
            UserinfoKind::Json => completion.userinfo(&tokens, &id_token.sub, "application/json").await?,
            UserinfoKind::SignedJwt | UserinfoKind::EncryptedJwt => {
                completion.userinfo(&tokens, &id_token.sub, "application/jwt").await?
            }
        };

        let IdToken { sub, acr, auth_time, auth_time_told, .. } = id_token;
        let identity = Identity {
            issuer: handshake.issuer.clone(),
            subject: Subject::Issued(sub),
            claims: (self.settings.profile.claims)(merge(userinfo.into_map(), token_claims.into_map())),
            acr: acr.map(Acr),
            auth_time,
            auth_time_told,
            retention: Retention::Session,
        };
        let scopes = tokens.scopes.unwrap_or_else(|| handshake.scopes.clone());
        Ok(SignedIn { identity, id_token: signed, scopes })
    }

    /// Whether this comes encrypted.
    fn decrypts(&self, kind: Kind) -> bool {
        match kind {
            Kind::IdToken => self.settings.encrypted_id_token,
            Kind::Userinfo => self.settings.userinfo == UserinfoKind::EncryptedJwt,
        }
    }

    fn refusal(&self, error: String, description: Option<String>) -> UpstreamError {
        match self.settings.profile.meaning(&error) {
            ErrorMeaning::Denied => UpstreamError::AccessDenied { description },
            ErrorMeaning::Level => UpstreamError::Level { error, description },
            ErrorMeaning::PageDue => UpstreamError::PageDue { error: Some(error) },
            ErrorMeaning::Temporary => UpstreamError::ErrorResponse { error, description, temporary: true },
            ErrorMeaning::Other => UpstreamError::ErrorResponse { error, description, temporary: false },
        }
    }
}

/// One login on its way back.
struct Completion<'a> {
    upstream: &'a Upstream,
    metadata: &'a Metadata,
    handshake: &'a Handshake,
    entropy: &'a dyn Entropy,
    clock: &'a dyn Clock,
    trace: &'a Trace,
}

impl Completion<'_> {
    /// RFC 9207, section 2.4, before anything is asked: a mix-up must not make us send the code elsewhere.
    fn check_issuer(&self, iss: Option<&str>) -> Result<(), UpstreamError> {
        let settings = &self.upstream.settings;
        let required = settings.require_iss || settings.profile.response_iss || self.metadata.response_iss;
        let fits = iss.map_or(!required, |iss| iss == self.handshake.issuer);
        if fits && settings.issuers.contains(&self.handshake.issuer) {
            Ok(())
        } else {
            let found = found(iss.map(Value::from).as_ref());
            Err(UpstreamError::Issuer { due: self.handshake.issuer.clone(), found })
        }
    }

    /// The token request (OpenID Connect Core, section 3.1.3.1).
    async fn redeem(&self, code: &Secret<String>) -> Result<Tokens, UpstreamError> {
        let Upstream { outbound, basic, .. } = self.upstream;
        let url = &self.metadata.endpoints.token;
        let form = self.token_request(code)?;
        let answer = outbound.post_form(url, form, basic.clone()).await;
        let answer = answer.map_err(|source| UpstreamError::Call { endpoint: Endpoint::Token, source })?;
        if answer.status != StatusCode::OK {
            return Err(token_refusal(&answer));
        }
        let tokens = Tokens::read(&answer)?;
        self.trace.step(Step::UpstreamToken, answered(&answer, url));
        Ok(tokens)
    }

    /// The form of the token request; the serializer is not `Send`, and so stays out of the call.
    fn token_request(&self, code: &Secret<String>) -> Result<String, UpstreamError> {
        let settings = &self.upstream.settings;
        let now = self.clock.now();
        let key = self.upstream.signing_key(now);
        let call = Call {
            client_id: &settings.client_id,
            issuer: &self.handshake.issuer,
            token_endpoint: &self.metadata.endpoints.token,
            now,
            key: key.as_deref(),
            entropy: self.entropy,
        };
        let mut form = Serializer::new(String::with_capacity(512));
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code.expose())
            .append_pair("redirect_uri", &self.handshake.redirect_uri);
        if let Some(verifier) = &self.handshake.code_verifier {
            form.append_pair("code_verifier", verifier);
        }
        for (name, value) in settings.credentials.fields(&call).map_err(UpstreamError::Assertion)? {
            form.append_pair(name, value.expose());
        }
        Ok(form.finish())
    }

    /// The signed claims inside what came encrypted; `None` where nothing is encrypted.
    async fn open(
        &self,
        kind: Kind,
        encrypted: bool,
        text: &str,
    ) -> Result<Option<Secret<String>>, UpstreamError> {
        if !encrypted {
            return Ok(None);
        }
        let Upstream { settings, keyring, .. } = self.upstream;
        let now = self.clock.now();
        let open = || {
            let keys = self.upstream.decryption_keys(now);
            encryption::open(&keys, text, &self.handshake.issuer, &settings.client_id)
        };
        let mut opened = open();
        // Another node may have published it since we looked.
        if let (Err(TokenError::Encryption(JweError::KeyUnknown { .. })), Some(keyring)) = (&opened, keyring)
        {
            keyring.freshen(now, Duration::ZERO).await;
            opened = open();
        }
        opened.map(Some).map_err(|source| UpstreamError::Token { kind, source })
    }

    async fn check_id_token(
        &self,
        signed: &Secret<String>,
        tokens: &Tokens,
    ) -> Result<(IdToken, Members), UpstreamError> {
        let verified = self.verify(Kind::IdToken, signed.expose()).await?;
        let sub_fits = self.upstream.settings.profile.sub_fits;
        let id_token = claims::id_token(&verified, &self.handshake.nonce, &tokens.access_token, sub_fits)
            .map_err(|source| UpstreamError::Token { kind: Kind::IdToken, source })?;
        let Verified { signed_by, kid, claims, .. } = verified;
        let facts = Facts {
            alg: Some(signed_by.as_str().to_owned()),
            kid,
            acr: id_token.acr.clone(),
            offset_s: id_token.offset,
            ..Facts::default()
        };
        self.trace.step(Step::UpstreamIdToken, facts);
        Ok((id_token, claims))
    }

    /// The userinfo request (OpenID Connect Core, section 5.3): of the registered kind and nothing weaker,
    /// about the same subject or not at all.
    async fn userinfo(
        &self,
        tokens: &Tokens,
        sub: &str,
        kind: &'static str,
    ) -> Result<Members, UpstreamError> {
        let Some(url) = &self.metadata.endpoints.userinfo else {
            let source = DiscoveryError::Endpoint("userinfo_endpoint").into();
            return Err(UpstreamError::Discovery { url: None, source });
        };
        let answer = self.upstream.outbound.get(url, kind, Some(tokens.bearer.clone())).await;
        let answer = answer.map_err(|source| UpstreamError::Call { endpoint: Endpoint::Userinfo, source })?;
        if answer.status != StatusCode::OK {
            let (endpoint, status) = (Endpoint::Userinfo, answer.status());
            return Err(UpstreamError::Status { endpoint, status, told: Told::default() });
        }
        if answer.content_type != kind {
            return Err(UpstreamError::UserinfoType { due: kind, found: answer.content_type });
        }
        // A session keeps it.
        if kind == "application/json" && answer.body.len() > MAX_LENGTH {
            let source = OutboundError::TooLarge;
            return Err(UpstreamError::Call { endpoint: Endpoint::Userinfo, source });
        }
        let claims = if kind == "application/jwt" {
            self.signed_userinfo(&answer.body).await?
        } else {
            Members::read(&answer.body).map_err(|why| UpstreamError::NotJson {
                endpoint: Endpoint::Userinfo,
                fault: why.to_string(),
            })?
        };
        match claims.get("sub") {
            Some(Value::String(theirs)) if theirs == sub => {}
            Some(Value::String(_)) => return Err(UpstreamError::SubDiffers),
            _ => return Err(UpstreamError::UserinfoClaim),
        }
        let facts = Facts { names: Some(names(&claims)), ..answered(&answer, url) };
        self.trace.step(Step::UpstreamUserinfo, facts);
        Ok(claims)
    }

    async fn signed_userinfo(&self, body: &[u8]) -> Result<Members, UpstreamError> {
        let refused = |source| UpstreamError::Token { kind: Kind::Userinfo, source };
        let text = std::str::from_utf8(body.trim_ascii());
        let text = text.map_err(|_| refused(NotAccepted::Malformed.into()))?;
        let inside = self.open(Kind::Userinfo, self.upstream.decrypts(Kind::Userinfo), text).await?;
        let text = inside.as_ref().map_or(text, |inside| inside.expose());
        let Verified { claims, .. } = self.verify(Kind::Userinfo, text).await?;
        claims::sub(&claims, self.upstream.settings.profile.sub_fits).map_err(refused)?;
        Ok(claims)
    }

    /// What the upstream signed, if it may be believed.
    async fn verify(&self, kind: Kind, compact: &str) -> Result<Verified, UpstreamError> {
        let Upstream { verifier, settings, .. } = self.upstream;
        let jwks = self.metadata.endpoints.jwks.as_ref();
        let lookup = Lookup { jwks, clock: self.clock, trace: self.trace };
        verifier.verify(kind, settings, &self.handshake.issuer, lookup, compact).await
    }
}

/// What the relay takes of a token answer.
struct Tokens {
    access_token: Secret<String>,
    /// The access token as a header.
    bearer: HeaderValue,
    id_token: Secret<String>,
    scopes: Option<Vec<String>>,
}

impl Tokens {
    fn read(answer: &Answer) -> Result<Self, UpstreamError> {
        let fault = |fault| UpstreamError::NotJson { endpoint: Endpoint::Token, fault };
        if answer.content_type != "application/json" {
            let kind: String = answer.content_type.chars().take(64).collect();
            return Err(fault(format!("its media type is {kind:?}, where application/json is due")));
        }
        let members = Members::read(&answer.body).map_err(|why| fault(why.to_string()))?;
        // Some say what went wrong with status 200.
        if members.text_or_nothing("error").is_some() {
            return Err(refusal_of(answer, &members));
        }
        if !members.text_or_nothing("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")) {
            return Err(UpstreamError::TokenType(found(members.get("token_type"))));
        }
        let text = |name| members.text_or_nothing(name).map(str::to_owned).map(Secret::new);
        let no_access = || fault("its access_token is missing or cannot be used".to_owned());
        let access_token = text("access_token").ok_or_else(no_access)?;
        let id_token = text("id_token").ok_or(UpstreamError::IdTokenMissing)?;
        let bearer = Secret::new(format!("Bearer {}", access_token.expose()));
        let mut bearer = HeaderValue::from_str(bearer.expose()).map_err(|_| no_access())?;
        bearer.set_sensitive(true);
        // What was granted is what was asked, unless the upstream says otherwise (RFC 6749, section 5.1).
        let scopes = members
            .text_or_nothing("scope")
            .map(|scopes| scopes.split_ascii_whitespace().take(MAX_SCOPES).map(str::to_owned).collect());
        Ok(Self { access_token, bearer, id_token, scopes })
    }
}

/// A token answer other than 200 (RFC 6749, section 5.2).
fn token_refusal(answer: &Answer) -> UpstreamError {
    refusal_of(answer, &Members::read(&answer.body).unwrap_or_default())
}

/// Any 401 means that the upstream does not know us, whatever it calls that.
fn refusal_of(answer: &Answer, members: &Members) -> UpstreamError {
    let (told, status) = (Told::read(members), answer.status());
    match told.error.as_deref() {
        _ if answer.status == StatusCode::UNAUTHORIZED => UpstreamError::InvalidClient { status, told },
        Some("invalid_client") if !answer.status.is_server_error() => {
            UpstreamError::InvalidClient { status, told }
        }
        Some("invalid_grant") if !answer.status.is_server_error() => UpstreamError::InvalidGrant(told),
        _ => UpstreamError::Status { endpoint: Endpoint::Token, status, told },
    }
}

/// Userinfo's claims in userinfo's order, then what only the `id_token` says of the person, `amr` as a list
/// last; the protocol's own members are nobody's claims.
fn merge(userinfo: Map<String, Value>, mut id_token: Map<String, Value>) -> Map<String, Value> {
    let amr = id_token.get_mut("amr").map(Value::take);
    let mut claims = Map::with_capacity(userinfo.len());
    claims.extend(userinfo.into_iter().filter(|(name, _)| !PROTOCOL_CLAIMS.contains(&name.as_str())));
    for (name, value) in id_token {
        if !PROTOCOL_CLAIMS.contains(&name.as_str()) && !claims.contains_key(&name) {
            claims.insert(name, value);
        }
    }
    let amr: Vec<Value> = match amr {
        Some(Value::Array(methods)) => methods.into_iter().filter(Value::is_string).collect(),
        Some(Value::String(method)) if !method.is_empty() => vec![Value::String(method)],
        _ => Vec::new(),
    };
    if !amr.is_empty() {
        claims.insert("amr".to_owned(), Value::Array(amr));
    }
    claims
}

fn answered(answer: &Answer, url: &Url) -> Facts {
    let mut url = url.clone();
    url.set_query(None);
    Facts {
        status: Some(answer.status.as_u16()),
        elapsed_ms: u64::try_from(answer.elapsed.as_millis()).ok(),
        length: Some(answer.body.len()),
        url: Some(url.into()),
        ..Facts::default()
    }
}

/// The names of claims, cut where the log would cut them.
fn names(claims: &Map<String, Value>) -> String {
    let mut names = String::with_capacity(128);
    for name in claims.keys() {
        if names.len() + name.len() > 255 {
            break;
        }
        if !names.is_empty() {
            names.push(' ');
        }
        names.push_str(name);
    }
    names
}

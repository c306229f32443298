//! One login on the floor: the message in, the answer out.

use std::collections::HashMap;
use std::sync::PoisonError;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;
use http::Response;
use http_body_util::Empty;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{Core, Shared, redirect};
use crate::clock::{Clock as _, SystemClock};
use crate::crypto::hash::sha256;
use crate::demo::bench::parties::{CALLBACK, CLAIMS, PATH, Party, SCOPES};
use crate::entropy::Entropy;

/// What matters of a request.
pub(super) struct Visit<'a> {
    pub query: &'a str,
    pub cookie: &'a str,
    pub address: &'a str,
}

/// What is remembered, sealed, by digest.
#[derive(Default)]
pub(super) struct Tables {
    logins: HashMap<[u8; 32], Vec<u8>>,
    sessions: HashMap<[u8; 32], Vec<u8>>,
    marks: HashMap<[u8; 32], [u8; 16]>,
}

/// AES-256-GCM under one key.
pub(super) struct Cipher(LessSafeKey);

impl Cipher {
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        Some(Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?)))
    }

    /// Appends the ciphertext of `text` to its IV.
    fn seal(&self, entropy: &dyn Entropy, aad: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        let iv = entropy.bytes::<12>();
        let mut sealed = Vec::with_capacity(12 + text.len() + 16);
        sealed.extend_from_slice(&iv);
        sealed.extend_from_slice(text);
        let tag = self.0.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(iv),
            Aad::from(aad),
            sealed.get_mut(12..)?,
        );
        sealed.extend_from_slice(tag.ok()?.as_ref());
        Some(sealed)
    }

    fn open<'a>(&self, aad: &[u8], sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        let (iv, text) = sealed.split_first_chunk_mut::<12>()?;
        self.0.open_in_place(Nonce::assume_unique_for_key(*iv), Aad::from(aad), text).ok().map(|text| &*text)
    }
}

/// A login whose browser is at the provider.
#[derive(Serialize, Deserialize)]
struct Login<'a> {
    id: &'a str,
    mark: String,
    browser: String,
    nonce: &'a str,
    return_to: &'a str,
}

/// Who signed in.
#[derive(Serialize)]
struct Session<'a> {
    id_token: &'a str,
    claims: &'a Map<String, Value>,
}

#[derive(Deserialize)]
struct Tokens<'a> {
    access_token: &'a str,
    id_token: &'a str,
    token_type: &'a str,
}

#[derive(Deserialize)]
struct IdToken {
    iss: String,
    sub: String,
    aud: String,
    nonce: String,
    exp: u64,
    iat: u64,
    acr: String,
    auth_time: Option<u64>,
}

#[derive(Serialize)]
struct Answer<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    state: &'a str,
    nonce: &'a str,
    acr: &'a str,
    auth_time: Option<u64>,
    #[serde(flatten)]
    claims: &'a Map<String, Value>,
}

/// `state` and `nonce` of an application's callback.
fn callback(return_to: &str) -> Option<(&str, &str)> {
    let (state, nonce) = return_to.strip_prefix(CALLBACK)?.strip_prefix("?state=")?.split_once("&nonce=")?;
    let fits = |value: &str| value.len() >= 16 && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (fits(state) && fits(nonce)).then_some((state, nonce))
}

impl Shared {
    /// The message opens, is fresh and new: the browser is sent to the provider.
    pub(super) fn begin(&self, app: &str, visit: &Visit<'_>) -> Option<Response<Empty<Bytes>>> {
        let (party, request, _) = self.parties.iter().find(|(party, ..)| party.app() == app)?;
        let mut message = hex::decode(visit.query.strip_prefix("msg=")?).ok()?;
        let mark = sha256(&[app.as_bytes(), &[0], &message]);
        let (stamp, sealed) = message.split_first_chunk_mut::<8>()?;
        let return_to = str::from_utf8(request.open(stamp, sealed)?).ok()?;
        if SystemClock.now().seconds().abs_diff(u64::from_be_bytes(*stamp)) > 900 {
            return None;
        }
        callback(return_to)?;
        let entropy = &*self.entropy;
        let (id, browser) = (hex::encode(entropy.bytes::<16>()), entropy.handle());
        let (state, nonce) = (entropy.hex64(), entropy.hex64());
        let login = Login {
            id: &id,
            mark: hex::encode(mark),
            browser: hex::encode(sha256(&[browser.as_bytes()])),
            nonce: &nonce,
            return_to,
        };
        let key = sha256(&[state.as_bytes()]);
        let login = self.records.seal(entropy, &key, &serde_json::to_vec(&login).ok()?)?;
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.marks.contains_key(&mark) {
            return None;
        }
        tables.logins.insert(key, login);
        drop(tables);
        let names = format_args!(
            "\"login\":\"{id}\",\"app\":\"{app}\",\"offset_s\":0,\"names\":\"state nonce\",\
             \"wire\":\"aes-256-gcm\",\"url\":\"{CALLBACK}\""
        );
        self.log.line("legacy", "legacy.request.accepted", visit.address, names);
        let at = format_args!("\"login\":\"{id}\",\"app\":\"{app}\",\"upstream\":\"{}\"", party.upstream());
        self.log.line("upstream", "upstream.redirected", visit.address, at);
        let mut query = form_urlencoded::Serializer::new(format!(
            "http://{}{PATH}/authorize?response_type=code&state={state}&nonce={nonce}&acr_values=eidas1&",
            self.settings.provider
        ));
        query
            .append_pair("client_id", party.client())
            .append_pair("redirect_uri", &self.redirect_uri(*party));
        let location = query.append_pair("scope", &SCOPES.join(" ")).finish();
        redirect(&location, &format!("floor-browser={browser}; HttpOnly; SameSite=Lax; Path=/"))
    }

    fn redirect_uri(&self, party: Party) -> String {
        format!("http://{}/callback/{}", self.settings.listen, party.upstream())
    }

    fn token_request(&self, party: Party, code: &str) -> String {
        let mut form = form_urlencoded::Serializer::new(String::with_capacity(512));
        form.append_pair("grant_type", "authorization_code").append_pair("code", code);
        form.append_pair("redirect_uri", &self.redirect_uri(party));
        form.append_pair("client_id", party.client()).append_pair("client_secret", &self.settings.secret);
        form.finish()
    }
}

impl Core {
    /// The browser is back: the code is redeemed, what it brings is verified, and the answer sealed.
    pub(super) async fn complete(&self, upstream: &str, visit: &Visit<'_>) -> Option<Response<Empty<Bytes>>> {
        let shared = &*self.shared;
        let (party, _, response) = shared.parties.iter().find(|(party, ..)| party.upstream() == upstream)?;
        let (mut code, mut state, mut issuer) = (None, None, None);
        for (name, value) in form_urlencoded::parse(visit.query.as_bytes()) {
            match &*name {
                "code" => code = Some(value),
                "state" => state = Some(value),
                "iss" => issuer = Some(value),
                _ => return None,
            }
        }
        let own_issuer = format!("http://{}{PATH}", shared.settings.provider);
        if issuer? != own_issuer {
            return None;
        }
        let key = sha256(&[state?.as_bytes()]);
        let taken = shared.tables.lock().unwrap_or_else(PoisonError::into_inner).logins.remove(&key);
        let mut taken = taken?;
        let login: Login<'_> = serde_json::from_slice(shared.records.open(&key, &mut taken)?).ok()?;
        let browser = visit.cookie.strip_prefix("floor-browser=")?;
        if hex::encode(sha256(&[browser.as_bytes()])) != login.browser {
            return None;
        }
        let id = login.id;
        let said = |area: &str, event: &str, facts: std::fmt::Arguments<'_>| {
            let facts = format_args!(
                "\"login\":\"{id}\",\"app\":\"{}\",\"upstream\":\"{upstream}\",{facts}",
                party.app()
            );
            shared.log.line(area, event, visit.address, facts);
        };
        said("upstream", "upstream.returned", format_args!("\"elapsed_ms\":0"));

        let body = self.caller.post("/token", shared.token_request(*party, &code?)).await?;
        let tokens: Tokens<'_> = serde_json::from_slice(&body).ok()?;
        let length = body.len();
        said(
            "upstream",
            "upstream.token",
            format_args!("\"status\":200,\"length\":{length},\"url\":\"{own_issuer}/token\""),
        );
        let id_token: IdToken = shared.keys.verified(tokens.id_token)?;
        let now = SystemClock.now().seconds();
        let good = id_token.iss == own_issuer
            && id_token.aud == party.client()
            && id_token.nonce == login.nonce
            && id_token.exp > now
            && id_token.iat <= now + 10
            && id_token.acr == "eidas1"
            && tokens.token_type.eq_ignore_ascii_case("bearer");
        if !good {
            return None;
        }
        said("upstream", "upstream.id_token", format_args!("\"alg\":\"{}\",\"acr\":\"eidas1\"", party.alg()));

        let bearer = format!("Bearer {}", tokens.access_token);
        let body = self.caller.get("/userinfo", "application/jwt", Some(bearer)).await?;
        let mut claims: Map<String, Value> = shared.keys.verified(str::from_utf8(&body).ok()?)?;
        let is = |name: &str, value: &str| claims.get(name).is_some_and(|claim| claim == value);
        if !is("iss", &own_issuer) || !is("aud", party.client()) || !is("sub", &id_token.sub) {
            return None;
        }
        claims.retain(|name, _| CLAIMS.contains(&name.as_str()));
        said("upstream", "upstream.userinfo", format_args!("\"status\":200,\"length\":{}", body.len()));

        let entropy = &*shared.entropy;
        let session = Session { id_token: tokens.id_token, claims: &claims };
        let sid = entropy.handle();
        let session_key = sha256(&[sid.as_bytes()]);
        let session = shared.records.seal(entropy, &session_key, &serde_json::to_vec(&session).ok()?)?;
        let (mut mark, mut by) = ([0; 32], [0; 16]);
        hex::decode_to_slice(&login.mark, &mut mark).ok()?;
        hex::decode_to_slice(id, &mut by).ok()?;
        let mut tables = shared.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.marks.insert(mark, by).is_some() {
            return None;
        }
        tables.sessions.insert(session_key, session);
        drop(tables);
        said("session", "session.signed_in", format_args!("\"count\":1"));

        let (state, nonce) = callback(login.return_to)?;
        let jti = hex::encode(entropy.bytes::<16>());
        let answer = Answer {
            iss: &own_issuer,
            sub: &id_token.sub,
            aud: party.app(),
            iat: now,
            exp: now + 300,
            jti: &jti,
            state,
            nonce,
            acr: &id_token.acr,
            auth_time: id_token.auth_time,
            claims: &claims,
        };
        let stamp = now.to_be_bytes();
        let sealed = response.seal(entropy, &stamp, &serde_json::to_vec(&answer).ok()?)?;
        let location = format!("{CALLBACK}?info={}{}", hex::encode(stamp), hex::encode(sealed));
        said(
            "legacy",
            "legacy.answer.issued",
            format_args!("\"length\":{},\"wire\":\"aes-256-gcm\"", location.len()),
        );
        redirect(&location, &format!("floor={sid}; HttpOnly; SameSite=Lax; Path=/"))
    }
}

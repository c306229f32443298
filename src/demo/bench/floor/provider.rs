//! The provider's side of the floor: its keys, the two calls, and what they bring, verified.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::demo::bench::parties::PATH;

/// Its public keys, parsed once: by ES256 and by RS256.
pub(super) struct ProviderKeys([(String, &'static str, ParsedPublicKey); 2]);

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

impl ProviderKeys {
    pub(super) async fn fetch(provider: SocketAddr) -> Option<Self> {
        let body = Caller::to(provider).get("/jwks", "application/json", None).await?;
        let set: Value = serde_json::from_slice(&body).ok()?;
        let one = |alg: &'static str| {
            let key =
                set.get("keys")?.as_array()?.iter().find(|key| key.get("alg").is_some_and(|a| a == alg))?;
            let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok();
            let parsed = if alg == "ES256" {
                let point = [&[4], &*bytes("x")?, &*bytes("y")?].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?
            } else {
                let key = RsaPublicKeyComponents { n: bytes("n")?, e: bytes("e")? };
                key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?
            };
            Some((key.get("kid")?.as_str()?.to_owned(), alg, parsed))
        };
        Some(Self([one("ES256")?, one("RS256")?]))
    }

    /// The claims of a compact JWS, if it is signed by the key and the algorithm that it names.
    pub(super) fn verified<T: DeserializeOwned>(&self, jws: &str) -> Option<T> {
        let (signed, signature) = jws.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let (.., key) = self.0.iter().find(|(kid, alg, _)| *kid == header.kid && *alg == header.alg)?;
        key.verify_sig(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

/// One core's way to the provider; its connections are kept.
pub(super) struct Caller {
    provider: SocketAddr,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Caller {
    pub(super) fn to(provider: SocketAddr) -> Self {
        Self { provider, idle: Mutex::default() }
    }

    pub(super) async fn get(
        &self,
        path: &str,
        accept: &'static str,
        bearer: Option<String>,
    ) -> Option<Bytes> {
        self.call(Method::GET, path, accept, bearer, String::new()).await
    }

    pub(super) async fn post(&self, path: &str, form: String) -> Option<Bytes> {
        self.call(Method::POST, path, "application/json", None, form).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        accept: &'static str,
        bearer: Option<String>,
        form: String,
    ) -> Option<Bytes> {
        let mut request = Request::builder().method(method).uri(format!("{PATH}{path}"));
        let fields = request.headers_mut()?;
        fields.insert(header::HOST, HeaderValue::try_from(self.provider.to_string()).ok()?);
        fields.insert(header::ACCEPT, HeaderValue::from_static(accept));
        fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(bearer) = bearer {
            fields.insert(header::AUTHORIZATION, HeaderValue::try_from(bearer).ok()?);
        }
        if !form.is_empty() {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            fields.insert(header::CONTENT_TYPE, kind);
        }
        let request = request.body(Full::new(Bytes::from(form))).ok()?;
        let mut connection = self.connection().await?;
        let response = connection.send_request(request).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let body = response.into_body().collect().await.ok()?.to_bytes();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Some(body)
    }

    async fn connection(&self) -> Option<SendRequest<Full<Bytes>>> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut kept) = kept else { break };
            if kept.ready().await.is_ok() {
                return Some(kept);
            }
        }
        let stream = TcpStream::connect(self.provider).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(sender)
    }
}

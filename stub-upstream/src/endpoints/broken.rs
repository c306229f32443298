//! What faults put on the wire instead of the right answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use hyper::body::Frame;
use serde_json::{Map, Value, json};

use crate::chance::Chance;
use crate::fault::Fault;

const JSON: &str = "application/json; charset=utf-8";
const HUGE: usize = 10 * 1024 * 1024;

/// An answer of the token endpoint that is no answer.
pub(super) fn token(fault: Fault) -> Option<Response> {
    match fault {
        Fault::Token500 => Some(server_error()),
        Fault::TokenGarbled => Some(ok(JSON, "{'access_token':'simulated','token_type':'Bearer'}")),
        Fault::TokenTruncated => {
            let body = Body::new(Cut(Some(Bytes::from_static(br#"{"access_token":"#))));
            let headers = [(CONTENT_TYPE, JSON), (CONTENT_LENGTH, "1000"), (CACHE_CONTROL, "no-store")];
            Some((headers, body).into_response())
        }
        Fault::TokenHuge => Some(ok(JSON, format!("{{\"padding\":\"{}\"}}", "a".repeat(HUGE)))),
        Fault::TokenRedirect => {
            let headers = [(LOCATION, "http://127.0.0.1:9/elsewhere"), (CACHE_CONTROL, "no-store")];
            Some((StatusCode::FOUND, headers).into_response())
        }
        _ => None,
    }
}

/// An answer of the userinfo endpoint that is no answer.
pub(super) fn userinfo(fault: Fault) -> Option<Response> {
    match fault {
        Fault::Userinfo500 => Some(server_error()),
        Fault::UserinfoGarbled => Some(ok("text/plain; charset=utf-8", "this is no JSON")),
        _ => None,
    }
}

/// A front server's page.
pub(super) fn server_error() -> Response {
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    let page = "<!DOCTYPE html><title>500</title><h1>500 Internal Server Error</h1><p>Simulated.</p>";
    (StatusCode::INTERNAL_SERVER_ERROR, headers, page).into_response()
}

fn ok(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], body.into()).into_response()
}

/// Lies in the claims of an `id_token`.
pub(super) fn claims(fault: Fault, claims: &mut Map<String, Value>, chance: &Chance) {
    let mut lie = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    match fault {
        Fault::WrongNonce => lie("nonce", json!(chance.token())),
        Fault::NonceMissing => drop(claims.shift_remove("nonce")),
        Fault::WrongIssuer => lie("iss", json!("https://another-issuer.example")),
        Fault::AudWrong => lie("aud", json!("another-client")),
        Fault::AcrLow => lie("acr", json!("eidas0")),
        Fault::ExpiredIdToken => {
            for name in ["exp", "iat", "auth_time"] {
                if let Some(time) = claims.get(name).and_then(Value::as_u64) {
                    claims.insert(name.to_owned(), json!(time.saturating_sub(7200)));
                }
            }
        }
        _ => {}
    }
}

/// Another subject of the same shape.
pub(super) fn sub(sub: &str) -> String {
    let other = if sub.starts_with('0') { '1' } else { '0' };
    other.to_string() + sub.get(1..).unwrap_or_default()
}

/// The same JWS with the last byte of its signature altered.
pub(super) fn signature(jws: &str) -> String {
    let (input, signature) = jws.rsplit_once('.').unwrap_or((jws, ""));
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    if let Some(last) = signature.last_mut() {
        *last ^= 1;
    }
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A body of unknown length that ends where it should not.
struct Cut(Option<Bytes>);

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

//! What faults put on the wire instead of the right answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
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
        Fault::TokenTruncated => Some(ok(JSON, r#"{"access_token":"simulated","id_tok"#)),
        Fault::TokenCut => {
            let body = Body::new(Cut::Begin(Bytes::from_static(br#"{"access_token":"#)));
            let headers = [(CONTENT_TYPE, JSON), (CONTENT_LENGTH, "1000"), (CACHE_CONTROL, "no-store")];
            Some((headers, body).into_response())
        }
        Fault::TokenHuge => Some(ok(JSON, format!("{{\"padding\":\"{}\"}}", "a".repeat(HUGE)))),
        Fault::TokenGzipBomb => {
            let headers = [(CONTENT_TYPE, JSON), (CONTENT_ENCODING, "gzip"), (CACHE_CONTROL, "no-store")];
            Some((headers, gzip_of_spaces(HUGE)).into_response())
        }
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

/// A gzip member (RFC 1952) of one space and then runs of 258 copies of it, at least `length` in all, in one
/// block with fixed codes (RFC 1951, section 3.2.6).
fn gzip_of_spaces(length: usize) -> Vec<u8> {
    let runs = length.div_ceil(258);
    let mut bits = Bits { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], partial: 0, filled: 0 };
    bits.push(0b1, 1);
    bits.push(0b10, 2);
    bits.push(0x30 + u32::from(b' '), 8);
    for _ in 0..runs {
        // Length 258, then distance 1.
        bits.push(0b1100_0101, 8);
        bits.push(0, 5);
    }
    // The end of the block, and up to the next byte.
    bits.push(0, 7);
    bits.push(0, 7);
    let total = runs * 258 + 1;
    let mut crc = u32::MAX;
    for _ in 0..total {
        crc ^= u32::from(b' ');
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let mut bytes = bits.bytes;
    bytes.extend((!crc).to_le_bytes());
    bytes.extend(u32::try_from(total).unwrap_or_default().to_le_bytes());
    bytes
}

/// Bits packed from the least significant one (RFC 1951, section 3.1.1).
struct Bits {
    bytes: Vec<u8>,
    partial: u8,
    filled: u32,
}

impl Bits {
    /// Appends the low `count` bits of `code`, the highest of them first.
    fn push(&mut self, code: u32, count: u32) {
        for at in (0..count).rev() {
            if (code >> at) & 1 == 1 {
                self.partial |= 1 << self.filled;
            }
            self.filled += 1;
            if self.filled == 8 {
                self.bytes.push(self.partial);
                self.partial = 0;
                self.filled = 0;
            }
        }
    }
}

/// A body of unknown length that ends where it should not: it begins, lets that be sent, and ends.
enum Cut {
    Begin(Bytes),
    Sent,
    End,
}

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match std::mem::replace(&mut *self, Self::End) {
            Self::Begin(bytes) => {
                *self = Self::Sent;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Sent => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::End => Poll::Ready(None),
        }
    }
}

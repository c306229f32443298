//! Answers that are no answers: what a tired server, a proxy or a cut line puts on the wire. The same at every
//! endpoint.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE,
    WWW_AUTHENTICATE,
};
use http::{HeaderValue, StatusCode};
use hyper::body::Frame;
use tokio::time::Sleep;

use super::gzip;
use crate::fault::Fault;

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const HUGE: usize = 10 * 1024 * 1024;

/// What goes out instead of the right answer.
pub(in crate::endpoints) fn instead(fault: Fault) -> Option<Response> {
    Some(match fault {
        Fault::Discovery500 | Fault::Jwks500 | Fault::Token500 | Fault::Userinfo500 | Fault::Logout500 => {
            server_error()
        }
        Fault::Token502 => front(StatusCode::BAD_GATEWAY),
        Fault::Token503 | Fault::Userinfo503 => {
            let mut response = front(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("120"));
            response
        }
        Fault::DiscoveryHtml | Fault::JwksHtml | Fault::TokenHtml => {
            ok(HTML, "<!DOCTYPE html><title>Maintenance</title><p>Simulated.</p>")
        }
        Fault::TokenEmpty => ok(JSON, ""),
        Fault::TokenGarbled => ok(JSON, "{'access_token':'simulated','token_type':'Bearer'}"),
        Fault::TokenTruncated => ok(JSON, r#"{"access_token":"simulated","id_tok"#),
        Fault::UserinfoGarbled => ok("text/plain; charset=utf-8", "this is no JSON"),
        Fault::DiscoveryHangUp | Fault::JwksHangUp | Fault::TokenHangUp | Fault::UserinfoHangUp => {
            ok(JSON, Body::new(Cut::Nothing))
        }
        Fault::TokenCut => cut(br#"{"access_token":"#),
        Fault::UserinfoCut => cut(br#"{"sub":"#),
        Fault::DiscoveryHuge | Fault::JwksHuge | Fault::TokenHuge | Fault::UserinfoHuge => {
            ok(JSON, format!("{{\"padding\":\"{}\"}}", "a".repeat(HUGE)))
        }
        Fault::TokenGzipBomb => {
            let headers = [(CONTENT_TYPE, JSON), (CONTENT_ENCODING, "gzip"), (CACHE_CONTROL, "no-store")];
            (headers, gzip::of_spaces(HUGE)).into_response()
        }
        Fault::TokenRedirect | Fault::UserinfoRedirect => {
            let headers = [(LOCATION, "http://127.0.0.1:9/elsewhere"), (CACHE_CONTROL, "no-store")];
            (StatusCode::FOUND, headers).into_response()
        }
        Fault::Userinfo401 => {
            let challenge = "Bearer error=\"invalid_token\"";
            let headers = [(CONTENT_TYPE, JSON), (WWW_AUTHENTICATE, challenge), (CACHE_CONTROL, "no-store")];
            let body = r#"{"error":"invalid_token","error_description":"invalid token provided"}"#;
            (StatusCode::UNAUTHORIZED, headers, body).into_response()
        }
        _ => return None,
    })
}

/// Whether the right answer comes late.
pub(in crate::endpoints) fn is_slow(fault: Option<Fault>) -> bool {
    matches!(fault, Some(Fault::DiscoverySlow | Fault::JwksSlow | Fault::TokenSlow | Fault::UserinfoSlow))
}

/// The right answer, sent in an odd way. `slow` is how long the slow faults take.
pub(in crate::endpoints) fn dress(fault: Option<Fault>, mut response: Response, slow: Duration) -> Response {
    match fault {
        Some(Fault::TokenTrickle | Fault::UserinfoTrickle) => response
            .map(|body| Body::new(Trickle { body, left: Bytes::new(), pause: slow / 60, sleep: None })),
        Some(Fault::TokenCookies) => {
            for number in 0..40 {
                let cookie = format!("ballast-{number}={}; Path=/", "x".repeat(1000));
                if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                    response.headers_mut().append(SET_COOKIE, cookie);
                }
            }
            response
        }
        _ => response,
    }
}

/// A front server's page.
pub(in crate::endpoints) fn server_error() -> Response {
    front(StatusCode::INTERNAL_SERVER_ERROR)
}

fn front(status: StatusCode) -> Response {
    let page = format!("<!DOCTYPE html><title>{status}</title><h1>{status}</h1><p>Simulated.</p>");
    (status, [(CONTENT_TYPE, HTML), (CACHE_CONTROL, "no-store")], page).into_response()
}

fn ok(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], body.into()).into_response()
}

/// The beginning of a body of 1000 bytes.
fn cut(begin: &'static [u8]) -> Response {
    let headers = [(CONTENT_TYPE, JSON), (CONTENT_LENGTH, "1000"), (CACHE_CONTROL, "no-store")];
    (headers, Body::new(Cut::Begin(Bytes::from_static(begin)))).into_response()
}

/// A body of unknown length that ends where it should not: it begins, lets that be sent, and ends.
enum Cut {
    /// It fails before the first byte: no answer at all goes out.
    Nothing,
    Begin(Bytes),
    Sent,
    End,
}

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = io::Error;

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
            Self::Nothing => Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionReset)))),
            Self::End => Poll::Ready(None),
        }
    }
}

/// A body that comes byte by byte.
struct Trickle {
    body: Body,
    left: Bytes,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Trickle {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if let Some(sleep) = &mut this.sleep {
            std::task::ready!(sleep.as_mut().poll(context));
            this.sleep = None;
        }
        while this.left.is_empty() {
            match std::task::ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => this.left = frame.into_data().unwrap_or_default(),
                end => return Poll::Ready(end),
            }
        }
        this.sleep = Some(Box::pin(tokio::time::sleep(this.pause)));
        Poll::Ready(Some(Ok(Frame::data(this.left.split_to(1)))))
    }
}

//! The session cookie around an endpoint: tower-sessions carries it, under the rules of the request.
//!
//! The library reads no header of the browser's: it gets a request of ours that holds our one cookie, or none. What
//! it answers by itself becomes a page of ours.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::browser::Browser;
use super::refusal::Refusal;
use super::reply::empty;
use super::routes::Route;
use super::session::{self, Cookie};
use super::visit::Visit;

/// Marks a response of ours: what comes back without it is the library's own.
#[derive(Clone)]
struct Ours;

/// What is served.
struct Carried {
    route: &'static Route,
    visit: Visit,
    body: Body,
}

/// Holds what is served while the library has its hands on it.
type Held = Arc<Mutex<Option<Carried>>>;

/// Serves `visit` with its session at hand.
pub(super) async fn with_session(route: &'static Route, visit: Visit, body: Body) -> Response {
    let layer = session::layer(&visit.app, &visit.rules, visit.browser.as_ref().map(Browser::id));
    let https = visit.rules.is_https();
    let mut request = Request::new(());
    if let Some(cookie) = visit.cookies.clean_session(&visit.rules) {
        request.headers_mut().insert(header::COOKIE, cookie);
    }
    let held: Held = Arc::new(Mutex::new(Some(Carried { route, visit, body })));
    let inner = held.clone();
    let inner = service_fn(move |request| serve(inner.clone(), request));
    let Ok(mut response) = layer.layer(inner).oneshot(request).await;
    if response.extensions_mut().remove::<Ours>().is_none() {
        let carried = held.lock().unwrap_or_else(PoisonError::into_inner).take();
        return match carried {
            Some(carried) => Refusal::session_lost().respond(&carried.visit).await,
            None => empty(500),
        };
    }
    if https {
        secured(&mut response);
    }
    response
}

async fn serve(held: Held, request: Request<()>) -> Result<Response, Infallible> {
    let taken = held.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Carried { route, mut visit, body }) = taken else { return Ok(empty(500)) };
    visit.session = Cookie::of(request.extensions());
    // The browser may leave at any moment: what it began goes to its end all the same, and is said.
    let serving = tokio::spawn(async move {
        let response = super::run(route, &mut visit, body).await;
        (visit, response)
    });
    let Ok((visit, mut response)) = serving.await else { return Ok(empty(500)) };
    response.extensions_mut().insert(Ours);
    *held.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(Carried { route, visit, body: Body::empty() });
    Ok(response)
}

/// The library removes a cookie without the attributes that it was set with, and browsers keep a `__Host-` cookie
/// whose removal is not `Secure` (RFC 6265bis, section 5.7).
fn secured(response: &mut Response) {
    let headers = response.headers_mut();
    let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    headers.remove(header::SET_COOKIE);
    for cookie in cookies {
        let written = cookie.to_str().unwrap_or_default();
        let whole = written.contains("; Secure");
        let secure = HeaderValue::try_from(format!("{written}; Secure")).ok().filter(|_| !whole);
        headers.append(header::SET_COOKIE, secure.unwrap_or(cookie));
    }
}

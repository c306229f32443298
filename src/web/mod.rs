//! The public listener: every request becomes a [`Visit`], finds its [`Endpoint`], and gets a page, a
//! redirect or a refusal.
//!
//! | endpoint | file |
//! |---|---|
//! | `GET /idp/{app}?msg=…` | `idp.rs` |
//! | `POST /idp/confirm` | `confirm.rs` |
//! | `POST /idp/claim` | `claim.rs` |
//! | `GET` the callback of each upstream | `callback.rs` |
//! | `GET`, `POST /logout/{app}`, `GET` the logout return of each upstream | `logout.rs` |
//! | `GET` the aliases of logout and of the error page | `logout.rs`, `home.rs` |
//! | `GET /upstream/{name}/jwks` | `jwks.rs` |
//! | `GET /`, `GET /static/…` | `home.rs` |

mod answer;
mod browser;
mod callback;
mod claim;
mod confirm;
mod endpoints;
mod form;
mod guard;
mod headers;
mod home;
mod idp;
mod jwks;
mod logout;
mod refusal;
pub mod serve;
pub mod tls;
mod session;
mod visit;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;

use crate::app::App;
use endpoints::Endpoint;
use refusal::Refusal;
use visit::Visit;

/// The public listener's service.
pub fn router(app: Arc<App>) -> Router {
    let sessions = session::layer(&app);
    Router::new()
        .fallback(dispatch)
        .layer(sessions)
        .layer(axum::middleware::from_fn_with_state(app.clone(), headers::secure))
        .with_state(app)
}

async fn dispatch(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut visit = Visit::new(app, parts);
    let response = match guard::check(&visit) {
        Ok(()) => unless_it_panics(serve_endpoint(&mut visit, body)).await,
        Err(guard::Stop::Redirect(response)) => return response,
        Err(guard::Stop::Refuse(refusal)) => Err(*refusal),
    };
    response.unwrap_or_else(|refusal| refusal.respond(&visit))
}

/// A defect of ours costs the request that hit it, and is said.
async fn unless_it_panics(
    serving: impl Future<Output = Result<Response, Refusal>>,
) -> Result<Response, Refusal> {
    let mut serving = std::pin::pin!(serving);
    std::future::poll_fn(|cx| {
        // What the request held is dropped with it; what all share is changed by the store alone.
        let poll = AssertUnwindSafe(|| serving.as_mut().poll(cx));
        catch_unwind(poll).unwrap_or_else(|_| Poll::Ready(Err(Refusal::panicked())))
    })
    .await
}

async fn serve_endpoint(visit: &mut Visit, body: axum::body::Body) -> Result<Response, Refusal> {
    let endpoint = Endpoint::find(&visit.rules, &visit.path).ok_or_else(Refusal::not_found)?;
    endpoint.admits(&visit.method)?;
    match endpoint {
        Endpoint::Home => Ok(home::home(visit)),
        Endpoint::Static(name) => home::asset(&name),
        Endpoint::Idp(app) => idp::idp(visit, app.as_deref()).await,
        Endpoint::Confirm => confirm::confirm(visit, body).await,
        Endpoint::Claim => Ok(claim::claim(visit, body).await),
        Endpoint::Callback(upstream) => callback::callback(visit, &upstream).await,
        Endpoint::Logout(app) => logout::logout(visit, &app, body).await,
        Endpoint::LogoutAlias => logout::alias(visit).await,
        Endpoint::ErrorAlias => Err(home::error()),
        Endpoint::LogoutReturn => logout::returned(visit).await,
        Endpoint::Jwks(upstream) => jwks::jwks(visit, &upstream).await,
    }
}

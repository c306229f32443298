//! The session cookie, carried by tower-sessions: it holds the handle of the browser's session and nothing else.
//!
//! The broker alone reads and writes the record (`broker::session`). The library's store adopts the handle that the broker
//! wrote, and has nothing of its own to keep: once an answer is issued, no write is left that could fail.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::Extensions;
use tower_sessions::cookie::SameSite;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore};

use super::browser::{Browser, cookie_name};
use super::refusal::Refusal;
use super::visit::Visit;
use crate::app::{App, Rules};
use crate::broker::{self, Failure, SessionHandle};
use crate::event::reasons;
use crate::login::BrowserId;
use crate::message::PublicMessage;

/// The one thing that a cookie's record holds: the handle, as the broker wrote it.
const HANDLE: &str = "handle";

/// The layer that reads and writes the cookie of one request of `browser`, under the rules in force for it.
pub(super) fn layer(
    app: &Arc<App>,
    rules: &Rules,
    browser: Option<BrowserId>,
) -> SessionManagerLayer<OfBrowser> {
    SessionManagerLayer::new(OfBrowser { app: app.clone(), browser })
        .with_name(name(rules))
        .with_secure(rules.is_https())
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnSessionEnd)
}

/// The cookie's name.
pub(super) fn name(rules: &Rules) -> String {
    cookie_name(rules, "relais")
}

/// The session of the browser that `visit` comes from, if its cookie has the handle that is good now.
pub(super) async fn live(visit: &mut Visit) -> std::result::Result<Option<broker::Session>, Refusal> {
    let browser = visit.browser.as_ref().map(Browser::id);
    let (Some(browser), Some(handle)) = (browser, visit.session.handle()) else { return Ok(None) };
    let loaded = broker::session::load(&mut visit.journey(), browser, handle).await;
    Ok(loaded.map_err(Box::<Failure>::from)?)
}

/// The session cookie of one request.
#[derive(Clone, Default)]
pub(super) struct Cookie(Option<Session>);

impl Cookie {
    pub(super) fn of(extensions: &Extensions) -> Self {
        Self(extensions.get::<Session>().cloned())
    }

    /// The handle that the browser sent.
    fn handle(&self) -> Option<SessionHandle> {
        self.0.as_ref().and_then(Session::id).map(|id| SessionHandle(id.0.to_be_bytes()))
    }

    /// Carries `handle` from now on.
    pub(super) async fn renew(&self, handle: SessionHandle) -> std::result::Result<(), Box<Failure>> {
        let Some(session) = &self.0 else { return Ok(()) };
        self.clear().await?;
        session.insert(HANDLE, hex::encode(handle.0)).await.map_err(|error| failed(&error))?;
        session.save().await.map_err(|error| failed(&error))
    }

    /// Forgets the cookie.
    pub(super) async fn clear(&self) -> std::result::Result<(), Box<Failure>> {
        match &self.0 {
            Some(session) if session.id().is_some() => session.flush().await.map_err(|error| failed(&error)),
            _ => Ok(()),
        }
    }
}

fn failed(error: &tower_sessions::session::Error) -> Box<Failure> {
    let mut failure = Failure::new(PublicMessage::Unavailable, None, reasons::server::STORE_FAILED);
    failure.facts.cause = Some(error.to_string());
    failure
}

/// What tower-sessions takes for its store: the record of one browser's session.
#[derive(Clone)]
pub(super) struct OfBrowser {
    app: Arc<App>,
    browser: Option<BrowserId>,
}

impl fmt::Debug for OfBrowser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfBrowser")
    }
}

#[async_trait]
impl SessionStore for OfBrowser {
    /// The cookie takes the handle that the broker wrote.
    async fn create(&self, record: &mut Record) -> Result<()> {
        let digits = record.data.get(HANDLE).and_then(|handle| handle.as_str()).unwrap_or_default();
        let mut bytes = [0; 16];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| Error::Encode("no handle".to_owned()))?;
        record.id = Id(i128::from_be_bytes(bytes));
        Ok(())
    }

    /// Never inserts: the record was written before the answer was issued.
    async fn save(&self, _: &Record) -> Result<()> {
        Ok(())
    }

    /// The handle counts in the browser that it was made for, and only the one that is good now.
    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let Some(browser) = self.browser else { return Ok(None) };
        let (means, handle) = (&self.app.means, SessionHandle(id.0.to_be_bytes()));
        let good = broker::session::is_good(&means.records, browser, handle, means.clock.now()).await;
        let good = good.map_err(|error| Error::Backend(error.to_string()))?;
        Ok(good.then(|| Record {
            id: *id,
            data: [(HANDLE.to_owned(), hex::encode(handle.0).into())].into(),
            // Ours is the expiry that counts.
            expiry_date: time::OffsetDateTime::UNIX_EPOCH,
        }))
    }

    /// A handle that the library lets go of has been replaced or ended by the broker before.
    async fn delete(&self, _: &Id) -> Result<()> {
        Ok(())
    }
}

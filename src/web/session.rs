//! The session cookie, by tower-sessions: it finds our `sid` and nothing else.
//!
//! Cookies are kept by digest and expire by our clock; each sign-in gives a new one.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::Extensions;
use tower_sessions::cookie::SameSite;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore};

use super::browser::cookie_name;
use crate::app::App;
use crate::broker::Failure;
use crate::event::{Facts, reasons};
use crate::message::PublicMessage;

/// The one thing that a cookie's record holds.
const SID: &str = "sid";

/// The layer that reads and writes the cookie.
pub(super) fn layer(app: &Arc<App>) -> SessionManagerLayer<Cookies> {
    let rules = app.rules();
    SessionManagerLayer::new(Cookies(app.clone()))
        .with_name(name(&rules))
        .with_secure(rules.is_https())
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnSessionEnd)
}

/// The cookie's name.
pub(super) fn name(rules: &crate::app::Rules) -> String {
    cookie_name(rules, "relais")
}

/// The session cookie of one request.
#[derive(Clone)]
pub(super) struct Handle(Option<Session>);

impl Handle {
    pub(super) fn of(extensions: &Extensions) -> Self {
        Self(extensions.get::<Session>().cloned())
    }

    /// The `sid` that the cookie finds.
    pub(super) async fn sid(&self) -> std::result::Result<Option<String>, Box<Failure>> {
        match &self.0 {
            Some(session) if session.id().is_some() => session.get(SID).await.map_err(|error| failed(&error)),
            _ => Ok(None),
        }
    }

    /// Finds `sid` from now on, by a new cookie.
    pub(super) async fn renew(&self, sid: &str) -> std::result::Result<(), Box<Failure>> {
        let Some(session) = &self.0 else { return Ok(()) };
        session.cycle_id().await.map_err(|error| failed(&error))?;
        session.insert(SID, sid).await.map_err(|error| failed(&error))
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
    Box::new(Failure {
        message: PublicMessage::Unavailable,
        app: None,
        reason: reasons::server::STORE_FAILED,
        facts: Facts { cause: Some(error.to_string()), ..Facts::default() },
    })
}

/// Where tower-sessions keeps its records: our store.
#[derive(Clone)]
pub(super) struct Cookies(Arc<App>);

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookies")
    }
}

impl Cookies {
    async fn write(&self, record: &Record, new: bool) -> Result<bool> {
        let means = &self.0.means;
        let now = means.clock.now();
        let expires = now.plus(self.0.rules().journey.session_absolute);
        let sid = record.data.get(SID).and_then(|sid| sid.as_str()).unwrap_or_default().to_owned();
        let (table, key) = (&means.tables.session_cookies, record.id.0.to_be_bytes());
        let written = if new {
            table.insert_new(&key, &sid, expires, &[], now).await
        } else {
            table.put(&key, &sid, expires, &[], now).await.map(|()| true)
        };
        written.map_err(|error| Error::Backend(error.to_string()))
    }
}

#[async_trait]
impl SessionStore for Cookies {
    async fn create(&self, record: &mut Record) -> Result<()> {
        while !self.write(record, true).await? {
            record.id = Id::default();
        }
        Ok(())
    }

    async fn save(&self, record: &Record) -> Result<()> {
        self.write(record, false).await.map(|_| ())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let means = &self.0.means;
        let found = means.tables.session_cookies.read(&id.0.to_be_bytes(), means.clock.now()).await;
        let found = found.map_err(|error| Error::Backend(error.to_string()))?;
        Ok(found.map(|(sid, _)| Record {
            id: *id,
            data: [(SID.to_owned(), sid.into())].into(),
            // Ours is the expiry that counts.
            expiry_date: time::OffsetDateTime::UNIX_EPOCH,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let forgotten = self.0.means.tables.session_cookies.forget(&id.0.to_be_bytes()).await;
        forgotten.map_err(|error| Error::Backend(error.to_string()))
    }
}

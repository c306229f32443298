//! What must be true before a login is answered, in order. The first requirement that is unmet decides what the browser
//! sees; a new page is a file and a line.

mod confirmed;
mod joined;
mod kept;
mod level;
mod person;

use std::sync::Arc;

use async_trait::async_trait;

pub(super) use confirmed::question;
pub(super) use level::names;

use super::admission::insert;
use super::answer::answer;
use super::login::{Login, SignIn, Stage};
use super::{Failure, HandleDigest, Journey, Next, Session};
use crate::event::reasons;
use crate::message::PublicMessage;
use crate::outcome::Declined;
use crate::secret::Secret;
use crate::service::Service;
use crate::store::{OwnerRef, Version};

/// In this order: a level is judged of somebody, and nobody is kept or asked before it is reached.
const REQUIREMENTS: &[&dyn Requirement] =
    &[&person::Known, &level::Reached, &kept::Kept, &confirmed::Confirmed, &joined::Joined];

/// One thing that must be true.
#[async_trait]
trait Requirement: Sync {
    /// Whether it is, and what follows if not.
    async fn check(&self, cx: &mut Journey<'_>, at: &mut Standing<'_>) -> Result<Verdict, Box<Failure>>;
}

/// What a requirement says.
enum Verdict {
    /// It is met.
    Met,
    /// The browser goes elsewhere, or is shown a page, and comes back.
    Unmet(Next),
    /// It never will be.
    Declined(Box<Declined>),
}

/// A login, and what is known of it while one request is served.
pub(super) struct Standing<'a> {
    pub login: Login,
    pub service: Arc<Service>,
    /// Who it is, once it is known.
    pub sign_in: Option<SignIn>,
    /// Whether the upstream was asked for this very login.
    pub fresh: bool,
    /// What the upstream's logout wants as a hint, until the sign-in is kept.
    pub id_token: Option<Secret<String>>,
    /// Whether the service stands among the session's participants.
    pub joined: bool,
    /// The handle of the page whose form was sent.
    pub page: Option<HandleDigest>,
    /// The handle by which the person said yes.
    pub confirmed: Option<HandleDigest>,
    /// The browser's session, where it may serve.
    pub session: Option<Session>,
    /// The state of the record, once there is one.
    version: Option<Version>,
    /// Whom the login counts against besides service and address, until there is a record.
    share: Option<OwnerRef<'a>>,
}

impl<'a> Standing<'a> {
    /// A login that has just begun.
    pub fn new(
        login: Login,
        service: Arc<Service>,
        session: Option<Session>,
        share: Option<OwnerRef<'a>>,
    ) -> Self {
        Self {
            login,
            service,
            sign_in: None,
            fresh: false,
            id_token: None,
            joined: false,
            page: None,
            confirmed: None,
            session,
            version: None,
            share,
        }
    }

    /// A login that was read in the state `version`.
    pub fn again(login: Login, service: Arc<Service>, version: Version) -> Self {
        Self { version: Some(version), ..Self::new(login, service, None, None) }
    }

    /// Moves the login to `stage` and keeps it there. Whoever changed it meanwhile was faster.
    pub async fn keep(&mut self, cx: &mut Journey<'_>, stage: Stage) -> Result<(), Box<Failure>> {
        self.login.stage = stage;
        let expires = self.login.started.plus(cx.limits.login);
        let Some(version) = self.version else {
            return insert(cx, &self.login, expires, self.share.take()).await;
        };
        let (key, now) = (self.login.id.as_bytes(), cx.now());
        // It counts against whom it counted when it began.
        self.version = cx.records.logins.replace_if(key, version, &self.login, expires, &[], now).await?;
        if self.version.is_none() {
            let message = PublicMessage::UpstreamState;
            return Err(Failure::new(message, Some(&self.login.service), reasons::broker::STATE_SPENT));
        }
        Ok(())
    }
}

/// Walks the list: what the browser does next.
pub(super) async fn advance(cx: &mut Journey<'_>, mut at: Standing<'_>) -> Result<Next, Box<Failure>> {
    for requirement in REQUIREMENTS {
        match requirement.check(cx, &mut at).await? {
            Verdict::Met => {}
            Verdict::Unmet(next) => return Ok(next),
            Verdict::Declined(declined) => return answer(cx, at, Err(*declined)).await,
        }
    }
    let Some(sign_in) = at.sign_in.take() else {
        return Err(Failure::new(
            PublicMessage::Internal,
            Some(&at.login.service),
            reasons::server::INTERNAL,
        ));
    };
    answer(cx, at, Ok(sign_in)).await
}

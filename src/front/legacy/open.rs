//! `/idp`: a sealed message becomes an ask, in ordered steps. Whatever is refused gets the same page.

use std::net::IpAddr;
use std::time::Duration;

use super::{Legacy, NAME};
use crate::broker::{self, Ask, Failure, Journey, Visitor};
use crate::event::reasons::legacy as because;
use crate::event::{Facts, Reason, Step};
use crate::legacy::wires::Dialect;
use crate::legacy::{self, App, LegacyRequest, Refused};
use crate::login::LoginId;
use crate::message::PublicMessage;
use crate::service::{Demand, ServiceId};
use crate::store::{Limit, Over, OwnerRef, Share};

/// How many logins of one message may be in flight; the oldest falls.
const PER_MESSAGE: Share = Share { limit: Limit::Fixed(8), over: Over::DropOldest };

/// What a browser brought to `/idp`.
pub struct Request<'a> {
    /// The application in the path; none for the default one.
    pub app: Option<&'a str>,
    /// The query, as sent.
    pub query: &'a str,
    /// Where it comes from, for the limits.
    pub prefix: IpAddr,
    /// Whose.
    pub visitor: Visitor,
}

/// What a message asks.
pub enum Opened {
    /// To begin a login.
    New(Box<Asked>),
    /// What this browser was answered a moment ago: the same address.
    Again(String),
}

/// A message that may begin a login.
pub struct Asked {
    /// The login's name.
    pub login: LoginId,
    request: LegacyRequest,
    demand: Demand,
}

impl Asked {
    /// The application.
    pub fn app(&self) -> &ServiceId {
        &self.request.app
    }

    /// The languages that it asks for.
    pub fn ui_locales(&self) -> &[String] {
        &self.demand.ui_locales
    }

    /// What the broker is asked.
    pub fn ask(&self) -> Result<Ask<'_>, Box<Failure>> {
        Ok(Ask {
            login: self.login,
            front: NAME,
            service: self.request.app.clone(),
            demand: self.demand.clone(),
            share: Some(OwnerRef::from(("message", self.request.mark.0.as_slice())).within(PER_MESSAGE)),
            payload: super::answer::embedded(&self.request)?,
        })
    }
}

impl Legacy {
    /// Opens what a browser brought.
    pub async fn open(&self, cx: &mut Journey<'_>, request: &Request<'_>) -> Result<Opened, Box<Failure>> {
        let (id, app) = self.named(request).map_err(|reason| {
            let asked = request.app.and_then(ServiceId::parse).map(String::from);
            let facts = Facts { names: asked, ..Facts::default() };
            self.refused(cx, request, None, Refused { reason, facts })
        })?;
        cx.trace.app = Some(id.clone());
        not_past_sunset(cx, app)?;
        self.not_a_padding_oracle(cx, request, app)?;
        let issuer = &self.issuer;
        let opened = legacy::open(app, issuer, request.query, self.means.floor, cx.now())
            .map_err(|refused| self.refused(cx, request, Some(app), refused))?;
        let now = cx.now();
        if let Some(former) = self.means.former(&opened.request, request.visitor.browser, now).await? {
            let mut location = None;
            if former.here {
                location = broker::again(cx, former.login, request.visitor).await?;
            }
            let replayed = || self.refused(cx, request, Some(app), because::REPLAYED.into());
            let location = location.ok_or_else(replayed)?;
            cx.trace.set_login(former.login);
            cx.trace.step(Step::LegacyAnswerRepeated, asked(request, &opened.request));
            return Ok(Opened::Again(location));
        }
        let login = LoginId::new(cx.entropy.bytes());
        cx.trace.set_login(login);
        self.accepted(cx, request, app, &opened.request);
        Ok(Opened::New(Box::new(Asked { login, request: opened.request, demand: opened.demand })))
    }

    /// The application of the path.
    fn named(&self, request: &Request<'_>) -> Result<(ServiceId, &App), Reason> {
        let id = match request.app {
            Some(name) => ServiceId::parse(name).ok_or(because::UNKNOWN_APP)?,
            None => self.default_app.clone().ok_or(because::PATH_WITHOUT_APP)?,
        };
        let app = self.app(&id).ok_or(because::UNKNOWN_APP)?;
        Ok((id, app))
    }

    /// On a wire without authentication to answer is to tell: over the limit nothing of this application is opened for
    /// this prefix, good or bad, until the minute is over.
    fn not_a_padding_oracle(
        &self,
        cx: &Journey<'_>,
        request: &Request<'_>,
        app: &App,
    ) -> Result<(), Box<Failure>> {
        let key = (Some(app.service.id.clone()), request.prefix);
        if app.wire.is_authenticated() || !self.means.refused_messages.is_over(&key, cx.now()) {
            return Ok(());
        }
        Err(limited(self.means.refused_messages.retry_after(&key, cx.now()), request))
    }

    /// Whatever the cause, it counts the same: a limit that judged would tell. On the authenticated wires only what fails
    /// is limited, so that nobody closes the door for others behind the same address.
    fn refused(
        &self,
        cx: &Journey<'_>,
        request: &Request<'_>,
        app: Option<&App>,
        refused: Refused,
    ) -> Box<Failure> {
        let (now, limiter) = (cx.now(), &self.means.refused_messages);
        let id = app.map(|app| app.service.id.clone());
        let key = (id.clone(), request.prefix);
        if !limiter.hit(&key, now) {
            return limited(limiter.retry_after(&key, now), request);
        }
        let mut failure = Failure::new(PublicMessage::LegacyRequest, id.as_ref(), refused.reason);
        let sealed = legacy::sealed(request.query);
        (failure.step, failure.facts) = (Step::LegacyRequestRefused, Facts { sealed, ..refused.facts });
        failure
    }

    fn accepted(&self, cx: &Journey<'_>, brought: &Request<'_>, app: &App, request: &LegacyRequest) {
        let offset = i128::from(request.sealed_at.seconds()) - i128::from(cx.now().seconds());
        let wire = Some(app.wire.name());
        let offset_s = i64::try_from(offset).ok().filter(|_| !request.timeless);
        cx.trace.step(Step::LegacyRequestAccepted, Facts { offset_s, wire, ..asked(brought, request) });
        if app.wire.dialect() != Dialect::Kif {
            return;
        }
        let noted = |reason, count| {
            let facts = Facts { count, wire, ..Facts::default() };
            cx.trace.because(Step::LegacyRequestNoted, reason, None, facts);
        };
        noted(because::WEAK_WIRE, Some(self.means.weak_wires.note(&request.app, cx.now())));
        if request.state.len().min(request.nonce.len()) < legacy::callback::MIN_VALUE {
            noted(because::SHORT_VALUE, None);
        }
    }
}

/// A weak wire ends on its date; the message is not looked at, and does not count as refused.
fn not_past_sunset(cx: &Journey<'_>, app: &App) -> Result<(), Box<Failure>> {
    if !app.is_past_sunset(cx.now()) {
        return Ok(());
    }
    let mut page = Failure::new(PublicMessage::LegacySunset, Some(&app.service.id), because::SUNSET);
    page.step = Step::LegacyRequestRefused;
    Err(page)
}

fn limited(retry_after: Duration, request: &Request<'_>) -> Box<Failure> {
    let mut failure = Failure::new(PublicMessage::TooMany, None, because::LIMITED);
    failure.step = Step::LegacyRequestRefused;
    failure.facts.sealed = legacy::sealed(request.query);
    failure.retry_after = Some(retry_after);
    failure
}

/// What was sent, and where the answer shall go: the registered address, and the names in its query.
fn asked(brought: &Request<'_>, request: &LegacyRequest) -> Facts {
    let names = request.return_to.split_once('?').map(|(_, query)| {
        let names = query.split('&').filter_map(|piece| piece.split('=').next());
        names.collect::<Vec<_>>().join(" ")
    });
    let url = Some(request.callback().to_owned());
    Facts { sealed: legacy::sealed(brought.query), url, names, ..Facts::default() }
}

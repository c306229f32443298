//! An outcome becomes what the application reads: a sealed identity, a reference to one, a sealed refusal.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use super::marks::{OF_PERSON, refused_key};
use super::{Legacy, NAME, Reference, RefusedMessage};
use crate::broker::person::{owner, person};
use crate::broker::{Answer, Failure, Front, Journey, Outcome, Payload, SignIn};
use crate::event::{Facts, Step, reasons};
use crate::legacy::{self, App, LegacyRequest, MessageMark, Return, Unanswerable};
use crate::login::LoginId;
use crate::message::{PublicMessage, SupportCode};
use crate::outcome::{Declined, RefusalCode};
use crate::store::StoreError;

/// What tells, a minute later, whether an answer may be sent again.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Receipt {
    /// An identity: as long as this login is the one that spent the message.
    Identity {
        /// The message.
        mark: MessageMark,
        /// Whether its mark is among those of messages without a time.
        timeless: bool,
    },
    /// A refusal: always.
    Refusal,
}

/// Plain data as a payload.
pub(super) fn embedded(value: &impl Serialize) -> Result<Payload, Box<Failure>> {
    to_raw_value(value).map_err(|_| Failure::new(PublicMessage::Internal, None, reasons::server::INTERNAL))
}

#[async_trait]
impl Front for Legacy {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn answer(&self, cx: &mut Journey<'_>, mut outcome: Outcome) -> Result<Answer, Box<Failure>> {
        cx.trace.set_login(outcome.login);
        cx.trace.app = Some(outcome.service.clone());
        let request: LegacyRequest = serde_json::from_str(outcome.payload.get())
            .map_err(|_| Box::<Failure>::from(StoreError::Unreadable))?;
        // The rule that admitted the return address is asked again: the configuration may have changed meanwhile.
        let app = self.app(&request.app).filter(|app| app.service.enabled && app.admits(&request.return_to));
        let app = app.ok_or_else(|| Failure::gone(&request.app))?;
        match std::mem::replace(&mut outcome.result, Err(given_away())) {
            Ok(sign_in) => self.deliver(cx, app, &request, outcome, sign_in).await,
            Err(declined) => self.refuse(cx, app, &request, &outcome, declined).await,
        }
    }

    async fn is_good(
        &self,
        cx: &Journey<'_>,
        login: LoginId,
        receipt: &Payload,
    ) -> Result<bool, Box<Failure>> {
        match serde_json::from_str(receipt.get()) {
            Ok(Receipt::Identity { mark, timeless }) => {
                Ok(self.means.is_spent_by(login, &mark, timeless, cx.now()).await?)
            }
            Ok(Receipt::Refusal) => Ok(true),
            Err(_) => Err(StoreError::Unreadable.into()),
        }
    }

    fn repeated(&self, cx: &Journey<'_>, location: &str) {
        let url = location.split('?').next().map(str::to_owned);
        cx.trace.step(Step::LegacyAnswerRepeated, Facts { url, ..Facts::default() });
    }
}

impl Legacy {
    /// Spends the message, then seals the identity.
    async fn deliver(
        &self,
        cx: &mut Journey<'_>,
        app: &App,
        request: &LegacyRequest,
        outcome: Outcome,
        sign_in: SignIn,
    ) -> Result<Answer, Box<Failure>> {
        let upstream = cx.registry.upstream(&sign_in.upstream);
        let person = upstream.map(|upstream| person(upstream, &sign_in.identity));
        let (now, identity) = (cx.now(), sign_in.identity);
        let answer = match legacy::answer(app, &self.issuer, request, &identity, now, cx.entropy) {
            Ok(answer) => answer,
            Err(Unanswerable::TooLong { length }) => {
                self.means.spend(cx, request, &outcome, person.as_ref()).await?;
                return self.refuse(cx, app, request, &outcome, too_long(length)).await;
            }
            Err(Unanswerable::KeyGone | Unanswerable::NoRefusals) => return Err(Failure::gone(&request.app)),
        };
        self.means.spend(cx, request, &outcome, person.as_ref()).await?;
        if let Return::ByReference { reference, .. } = &answer.travels {
            let handle = legacy::reference_handle(&request.app, request.key, reference);
            let waiting = Reference { login: outcome.login, sealed: answer.sealed.clone() };
            let until = now.plus(legacy::CLAIM);
            let owners: Vec<_> = person.iter().map(|person| owner(person).within(OF_PERSON)).collect();
            self.means.records.references.put(&handle, &waiting, until, &owners, now).await?;
        }
        let facts = Facts {
            length: Some(answer.sealed.len()),
            names: Some(answer.names),
            acr: identity.acr.map(|acr| acr.0),
            wire: Some(app.wire.name()),
            url: Some(request.callback().to_owned()),
            ..Facts::default()
        };
        cx.trace.step(Step::LegacyAnswerIssued, facts);
        let receipt = embedded(&Receipt::Identity { mark: request.mark, timeless: request.timeless })?;
        Ok(Answer { reply: Ok(answer.travels.location().to_owned()), receipt })
    }

    /// A refusal returns to the application, sealed; where even that does not fit, or the wire has no refusals, the
    /// person reads a page. The message is not spent by it: this browser alone remembers, for as long as a login may take.
    async fn refuse(
        &self,
        cx: &mut Journey<'_>,
        app: &App,
        request: &LegacyRequest,
        outcome: &Outcome,
        declined: Declined,
    ) -> Result<Answer, Box<Failure>> {
        let Declined { code, message, reason, facts } = declined;
        let support = SupportCode::new(cx.entropy.bytes());
        let reply = match legacy::refuse(app, request, code, support, cx.now(), cx.entropy) {
            Ok(location) => {
                let facts = Facts { error: facts.error.or_else(|| Some(code.as_str().to_owned())), ..facts };
                cx.trace.because(Step::LegacyRefusalIssued, reason, Some(support), facts);
                Ok(location)
            }
            Err(Unanswerable::TooLong { .. } | Unanswerable::NoRefusals) => {
                let mut page = Failure::new(message, Some(&request.app), reason);
                page.facts = facts;
                Err(page)
            }
            Err(Unanswerable::KeyGone) => return Err(Failure::gone(&request.app)),
        };
        let now = cx.now();
        let key = refused_key(&request.mark, outcome.browser);
        let refused = RefusedMessage { login: outcome.login };
        let networks = cx.networks();
        let owners: Vec<_> = cx.shares(&networks).collect();
        match self.means.records.refused.put(&key, &refused, now.plus(cx.limits.login), &owners, now).await {
            // A convenience: without it the browser may begin again.
            Ok(()) | Err(StoreError::Full { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Answer { reply, receipt: embedded(&Receipt::Refusal)? })
    }
}

fn too_long(length: usize) -> Declined {
    Declined {
        code: RefusalCode::ServerError,
        message: PublicMessage::AnswerTooLong,
        reason: reasons::legacy::ANSWER_TOO_LONG,
        facts: Facts { length: Some(length), ..Facts::default() },
    }
}

/// What stands in an outcome whose result was taken out.
fn given_away() -> Declined {
    Declined {
        code: RefusalCode::ServerError,
        message: PublicMessage::Internal,
        reason: reasons::server::INTERNAL,
        facts: Facts::default(),
    }
}

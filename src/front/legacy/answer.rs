//! An outcome becomes what the application reads: a sealed identity, a reference to one, a sealed refusal.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use super::marks::{OF_PERSON, refused_key};
use super::{Legacy, NAME, Reference, RefusedMessage};
use crate::broker::person::{Person, owner, person};
use crate::broker::{Answer, Answered, Failure, Front, Holders, Journey, Outcome, Payload, SignIn};
use crate::event::{Facts, Step, reasons};
use crate::legacy::{self, App, KeyFingerprint, LegacyRequest, MessageMark, Return, Unanswerable};
use crate::login::LoginId;
use crate::message::{PublicMessage, SupportCode};
use crate::outcome::{Declined, RefusalCode};
use crate::store::StoreError;

/// What tells, a minute later, whether an answer may be sent again.
#[derive(Serialize, Deserialize)]
struct Receipt {
    /// Where it went, which must still be the application's address.
    return_to: String,
    /// Of an identity: what it spent.
    spent: Option<Spent>,
}

/// What an identity spent: it is good as long as its login is the one that did.
#[derive(Serialize, Deserialize)]
struct Spent {
    /// The message.
    mark: MessageMark,
    /// Whether its mark is among those of messages without a time.
    timeless: bool,
    /// The reference, which must still wait, and the key that it was issued under.
    waiting: Option<(KeyFingerprint, String)>,
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
        answered: &Answered,
    ) -> Result<bool, Box<Failure>> {
        let (id, now) = (&answered.service, cx.now());
        // A receipt of an earlier release says too little.
        let Ok(receipt) = serde_json::from_str::<Receipt>(answered.receipt.get()) else { return Ok(false) };
        if !self.app(id).is_some_and(|app| app.admits(&receipt.return_to)) {
            return Ok(false);
        }
        let Some(Spent { mark, timeless, waiting }) = receipt.spent else { return Ok(true) };
        if let Some((key, reference)) = waiting {
            let handle = legacy::reference_handle(id, key, &reference);
            if self.means.records.references.read(&handle, now).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(self.means.is_spent_by(login, &mark, timeless, now).await?)
    }

    fn repeated(&self, cx: &Journey<'_>, location: &str) {
        let url = location.split('?').next().map(str::to_owned);
        cx.trace.step(Step::LegacyAnswerRepeated, Facts { url, ..Facts::default() });
    }
}

impl Legacy {
    /// Seals the identity, then spends the message. A reference takes its room first: where there is none the message
    /// stays good, and nobody can ask for what was never sent.
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
        let mut waiting = None;
        if let Return::ByReference { reference, .. } = &answer.travels {
            self.let_wait(cx, request, outcome.login, (reference, &answer.sealed), person.as_ref()).await?;
            waiting = Some((request.key, reference.clone()));
        }
        if let Err(failure) = self.means.spend(cx, request, &outcome, person.as_ref()).await {
            if let Some((key, reference)) = &waiting {
                // Nobody has it, and it would take up room; if even that fails, for a minute.
                let handle = legacy::reference_handle(&request.app, *key, reference);
                let _ = self.means.records.references.forget(&handle).await;
            }
            return Err(failure);
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
        let spent = Spent { mark: request.mark, timeless: request.timeless, waiting };
        let receipt = Receipt { return_to: request.return_to.clone(), spent: Some(spent) };
        Ok(Answer { reply: Ok(answer.travels.location().to_owned()), receipt: embedded(&receipt)? })
    }

    /// Keeps the sealed answer until the application's server claims it by its reference.
    async fn let_wait(
        &self,
        cx: &Journey<'_>,
        request: &LegacyRequest,
        login: LoginId,
        (reference, sealed): (&str, &str),
        person: Option<&Person>,
    ) -> Result<(), Box<Failure>> {
        let handle = legacy::reference_handle(&request.app, request.key, reference);
        let waiting = Reference { login, sealed: sealed.to_owned() };
        let (now, holders) = (cx.now(), Holders::of(cx).within(&request.app, cx.limits.logins_per_app));
        let of_person = person.map(|person| owner(person).within(OF_PERSON));
        let owners: Vec<_> = holders.owners().chain(of_person).collect();
        let until = now.plus(legacy::CLAIM);
        Ok(self.means.records.references.put(&handle, &waiting, until, &owners, now).await?)
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
                let facts = Facts { error: Some(code.as_str().to_owned()), ..facts };
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
        let holders = Holders::of(cx);
        let owners: Vec<_> = holders.owners().collect();
        match self.means.records.refused.put(&key, &refused, now.plus(cx.limits.login), &owners, now).await {
            // A convenience: without it the browser may begin again.
            Ok(()) | Err(StoreError::Full { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let receipt = Receipt { return_to: request.return_to.clone(), spent: None };
        Ok(Answer { reply, receipt: embedded(&receipt)? })
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

//! Single use: which login spent a message, and what a second visit finds.

use super::{Means, SeenIv, SpentMessage, SpentTimeless};
use crate::broker::person::{Person, owner};
use crate::broker::{Failure, Journey, Outcome};
use crate::clock::Timestamp;
use crate::event::{Facts, Step, reasons};
use crate::legacy::{AHEAD, LegacyRequest, MessageMark};
use crate::login::{BrowserId, Hex, LoginId};
use crate::message::PublicMessage;
use crate::store::{Limit, Over, OwnerRef, Share, StoreError};

/// How many marks, and answers that wait, one person may have: a part of the room that is left, so that nobody fills it
/// alone, however small it is. A mark never goes before its time.
pub(super) const OF_PERSON: Share =
    Share { limit: Limit::Shrinking { floor: 16, divisor: 64 }, over: Over::Refuse };

/// A login that was answered for a message before.
pub(super) struct Former {
    /// The login.
    pub login: LoginId,
    /// Whether it was in this browser.
    pub here: bool,
}

impl Means {
    /// Spends the message for the login of `outcome`; it is an error if another one did. The mark outlives the message
    /// and every login of it that may be under way.
    pub(super) async fn spend(
        &self,
        cx: &Journey<'_>,
        request: &LegacyRequest,
        outcome: &Outcome,
        person: Option<&Person>,
    ) -> Result<(), Box<Failure>> {
        let now = cx.now();
        let spent = SpentMessage { login: outcome.login, browser: outcome.browser };
        let keep = request.fresh_until.max(now.plus(cx.limits.login));
        let owners: Vec<_> = person.map(|person| owner(person).within(OF_PERSON)).into_iter().collect();
        let key = &request.mark.0;
        let inserted = if request.timeless {
            self.records
                .spent_timeless
                .insert_new(key, &SpentTimeless(spent.clone()), keep, &owners, now)
                .await?
        } else {
            self.records.spent.insert_new(key, &spent, keep, &owners, now).await?
        };
        if !inserted && !self.is_spent_by(outcome.login, &request.mark, request.timeless, now).await? {
            let message = PublicMessage::LegacyRequest;
            return Err(Failure::new(message, Some(&request.app), reasons::legacy::LOST_TO_ANOTHER));
        }
        // Stamped ahead of our clock, it would pass the floor of a start that comes at once.
        if self.floor.is_some() && !request.timeless && request.sealed_at.seconds() > now.seconds() {
            self.records.spent_timeless.put(key, &SpentTimeless(spent), keep, &owners, now).await?;
        }
        self.notice_repeated_iv(cx, request, &owners).await;
        Ok(())
    }

    /// Whether it was `login` that spent the message.
    pub(super) async fn is_spent_by(
        &self,
        login: LoginId,
        mark: &MessageMark,
        timeless: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.marked(mark, timeless, now).await?.is_some_and(|spent| spent.login == login))
    }

    async fn marked(
        &self,
        mark: &MessageMark,
        timeless: bool,
        now: Timestamp,
    ) -> Result<Option<SpentMessage>, StoreError> {
        Ok(if timeless {
            self.records.spent_timeless.read(&mark.0, now).await?.map(|(spent, _)| spent.0)
        } else {
            self.records.spent.read(&mark.0, now).await?.map(|(spent, _)| spent)
        })
    }

    /// The login that spent the message, or that was refused in this browser.
    pub(super) async fn former(
        &self,
        request: &LegacyRequest,
        browser: Option<BrowserId>,
        now: Timestamp,
    ) -> Result<Option<Former>, StoreError> {
        let mut found = self.marked(&request.mark, request.timeless, now).await?;
        // Stamped ahead of our clock, it may have been spent before this process started.
        if found.is_none() && self.floor.is_some_and(|floor| request.sealed_at <= floor.plus(AHEAD)) {
            found = self.marked(&request.mark, true, now).await?;
        }
        if let Some(spent) = found {
            return Ok(Some(Former { login: spent.login, here: Some(spent.browser) == browser }));
        }
        let Some(browser) = browser else { return Ok(None) };
        let refused = self.records.refused.read(&refused_key(&request.mark, browser), now).await?;
        Ok(refused.map(|(refused, _)| Former { login: refused.login, here: true }))
    }

    /// Says so where two requests that were answered share an IV. The message is spent already: nothing that goes wrong
    /// here may keep its answer back.
    async fn notice_repeated_iv(&self, cx: &Journey<'_>, request: &LegacyRequest, owners: &[OwnerRef<'_>]) {
        let Some(iv_mark) = &request.iv_mark else { return };
        let (now, ivs) = (cx.now(), &self.records.seen_ivs);
        let seen = SeenIv(Hex(request.mark.0.first_chunk().copied().unwrap_or_default()));
        let repeats = match ivs.insert_new(&iv_mark.0, &seen, request.fresh_until, owners, now).await {
            Ok(false) => match ivs.read(&iv_mark.0, now).await {
                Ok(Some((former, _))) => former.0 != seen.0,
                Ok(None) | Err(_) => false,
            },
            Ok(true) | Err(_) => false,
        };
        if repeats {
            cx.trace.because(Step::LegacyRequestNoted, reasons::legacy::IV_REPEATS, None, Facts::default());
        }
    }
}

/// Where it is kept that a browser was refused.
pub(super) fn refused_key(mark: &MessageMark, browser: BrowserId) -> Vec<u8> {
    [mark.0.as_slice(), browser.as_bytes()].concat()
}

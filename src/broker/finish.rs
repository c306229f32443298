//! The end: the first login of a message to have an answer spends the message; the others get a page.

use std::time::Duration;

use super::tables::{SpentMessage, UsedHandle};
use super::{Failure, Journey};
use crate::event::{Facts, Step, reasons};
use crate::legacy::AHEAD;
use crate::login::{BrowserId, LoginId};
use crate::message::PublicMessage;
use crate::request::LegacyRequest;
use crate::service::AppId;
use crate::store::{StoreError, Table};

/// For how long the browser that received an answer gets the same bytes again (a double click).
pub(super) const REPEAT: Duration = Duration::from_mins(1);
/// The longest that a login which was taken can still need for its answer.
pub(super) const ON_ITS_WAY: Duration = Duration::from_mins(2);

/// Spends the message of `request` for `login`, whose answer sends `browser` to `location`. The answer may
/// leave only if this succeeds.
pub async fn finish(
    cx: &Journey<'_>,
    request: &LegacyRequest,
    login: LoginId,
    browser: BrowserId,
    location: &str,
) -> Result<(), Box<Failure>> {
    let now = cx.now();
    let spent = SpentMessage { login, browser, at: now };
    // Another login of this message may be on its way to an answer; the mark outlives both it and the message.
    let keep = request.fresh_until.max(now.plus(ON_ITS_WAY));
    // The mark first: what repeats an answer finds one only where this login spent the message.
    if !marks(cx, request).insert_new(&request.mark, &spent, keep, &[], now).await? {
        return Err(Failure::new(
            PublicMessage::LegacyRequest,
            Some(&request.app),
            reasons::legacy::LOST_TO_ANOTHER,
        ));
    }
    // Stamped ahead of our clock, it would pass the floor of a start that comes at once.
    if cx.floor.is_some() && !request.timeless && request.sealed_at.seconds() > now.seconds() {
        cx.tables.spent_timeless.put(&request.mark, &spent, keep, &[], now).await?;
    }
    let repeat_until = now.plus(REPEAT);
    unless_full(cx.tables.answers.put(login.as_bytes(), &location.to_owned(), repeat_until, &[], now).await)?;
    // The message's other logins have nothing left to win.
    let message = ("message", request.mark.as_slice());
    cx.tables.away.forget_owned(message).await?;
    cx.tables.confirm.forget_owned(message).await?;
    notice_repeated_iv(cx, request).await
}

/// Notes that a single-use handle was used, and by which login: whoever comes again ends on the right page.
/// Nothing rests on it, so a full table only makes that page plainer.
pub(super) async fn used(
    cx: &Journey<'_>,
    handle: &str,
    login: LoginId,
    app: &AppId,
    browser: BrowserId,
) -> Result<(), Box<Failure>> {
    let now = cx.now();
    let used = UsedHandle { login, app: app.clone(), browser };
    unless_full(cx.tables.used.put(handle.as_bytes(), &used, now.plus(cx.limits.login), &[], now).await)
}

/// A convenience that has no room is left out; a store that fails is a failure.
fn unless_full(put: Result<(), StoreError>) -> Result<(), Box<Failure>> {
    match put {
        Ok(()) | Err(StoreError::Full) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn notice_repeated_iv(cx: &Journey<'_>, request: &LegacyRequest) -> Result<(), Box<Failure>> {
    let Some(iv_mark) = &request.iv_mark else { return Ok(()) };
    let now = cx.now();
    let ivs = &cx.tables.seen_ivs;
    if !ivs.insert_new(iv_mark, &request.mark, request.fresh_until, &[], now).await?
        && ivs.read(iv_mark, now).await?.is_some_and(|(mark, _)| mark != request.mark)
    {
        cx.trace.because(Step::LegacyRequestNoted, reasons::legacy::IV_REPEATS, None, Facts::default());
    }
    Ok(())
}

/// What became of a message before.
pub enum Repeat {
    /// Nothing: it may begin a login.
    New,
    /// This browser received the answer within the last minute, and gets it again.
    Same(LoginId, String),
    /// It was answered.
    Spent,
}

/// Where the marks of messages like this one are.
fn marks<'a>(cx: &'a Journey<'_>, request: &LegacyRequest) -> &'a Table<SpentMessage> {
    if request.timeless { &cx.tables.spent_timeless } else { &cx.tables.spent }
}

/// Looks whether a message was answered before.
pub async fn repeat(
    cx: &Journey<'_>,
    request: &LegacyRequest,
    browser: Option<BrowserId>,
) -> Result<Repeat, Box<Failure>> {
    let now = cx.now();
    let mut found = marks(cx, request).read(&request.mark, now).await?;
    // Stamped ahead of our clock, it may have been spent before this process started.
    if found.is_none() && cx.floor.is_some_and(|floor| request.sealed_at <= floor.plus(AHEAD)) {
        found = cx.tables.spent_timeless.read(&request.mark, now).await?;
    }
    let Some((spent, _)) = found else { return Ok(Repeat::New) };
    if Some(spent.browser) == browser
        && let Some(location) = again(cx, spent.login).await?
    {
        return Ok(Repeat::Same(spent.login, location));
    }
    Ok(Repeat::Spent)
}

/// The address that `login` sent its browser to, within the last minute.
pub async fn again(cx: &Journey<'_>, login: LoginId) -> Result<Option<String>, Box<Failure>> {
    Ok(cx.tables.answers.read(login.as_bytes(), cx.now()).await?.map(|(location, _)| location))
}

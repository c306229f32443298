//! The end: the first login of a message to have an answer spends the message; the others get a page.

use std::time::Duration;

use super::tables::SpentMessage;
use super::{Failure, Journey};
use crate::event::{Facts, Step, reasons};
use crate::login::{BrowserId, LoginId};
use crate::message::PublicMessage;
use crate::request::LegacyRequest;

/// For how long the browser that received an answer gets the same bytes again (a double click).
const REPEAT: Duration = Duration::from_mins(1);

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
    // The answer first: whoever finds the message spent finds it too.
    let repeat_until = now.plus(REPEAT);
    cx.tables.answers.put(login.as_bytes(), &location.to_owned(), repeat_until, &[], now).await?;
    let spent = SpentMessage { login, browser, at: now };
    // A login may outlive its message; the mark outlives both.
    let keep = request.fresh_until.max(now.plus(cx.limits.login));
    if !cx.tables.spent.insert_new(&request.mark, &spent, keep, &[], now).await? {
        cx.tables.answers.forget(login.as_bytes()).await?;
        return Err(Failure::new(
            PublicMessage::LegacyRequest,
            Some(&request.app),
            reasons::legacy::LOST_TO_ANOTHER,
        ));
    }
    notice_repeated_iv(cx, request).await?;
    Ok(())
}

async fn notice_repeated_iv(cx: &Journey<'_>, request: &LegacyRequest) -> Result<(), Box<Failure>> {
    let now = cx.now();
    let ivs = &cx.tables.seen_ivs;
    if !ivs.insert_new(&request.iv_mark, &request.mark, request.fresh_until, &[], now).await?
        && ivs.read(&request.iv_mark, now).await?.is_some_and(|(mark, _)| mark != request.mark)
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

/// Looks whether a message was answered before.
pub async fn repeat(
    cx: &Journey<'_>,
    mark: &[u8; 32],
    browser: Option<BrowserId>,
) -> Result<Repeat, Box<Failure>> {
    let now = cx.now();
    let Some((spent, _)) = cx.tables.spent.read(mark, now).await? else {
        return Ok(Repeat::New);
    };
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

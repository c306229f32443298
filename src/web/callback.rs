//! `GET` the callback of an upstream: the browser brings the authorization response.

use axum::response::Response;

use super::answer::next;
use super::browser::Browser;
use super::refusal::Refusal;
use super::visit::Visit;
use crate::broker;
use crate::login::BrowserId;
use crate::service::UpstreamName;

/// Completes the login that the response belongs to.
pub(super) async fn callback(visit: &mut Visit, upstream: &UpstreamName) -> Result<Response, Refusal> {
    visit.trace.upstream = Some(upstream.clone());
    let browser = visit.browser.as_ref().map(Browser::id);
    let sid = visit.session.sid().await?;
    let mut journey = visit.journey();
    let query = &visit.query;
    let completed = broker::complete(&mut journey, upstream, query, browser, sid.as_deref()).await;
    visit.trace = journey.trace.clone();
    let completed = completed?;
    if let Some(sid) = &completed.sid {
        visit.session.renew(sid).await?;
    }
    next(visit, completed.next, browser.unwrap_or(BrowserId([0; 32]))).await
}

//! The service stands among those that took part in the session, before its answer leaves: a logout must reach it.

use async_trait::async_trait;

use super::person::Known;
use super::{Requirement, Standing, Verdict};
use crate::broker::{Failure, Journey, session};

pub(super) struct Joined;

#[async_trait]
impl Requirement for Joined {
    async fn check(&self, cx: &mut Journey<'_>, at: &mut Standing<'_>) -> Result<Verdict, Box<Failure>> {
        let held = at.sign_in.as_ref().and_then(|sign_in| sign_in.session).filter(|_| !at.joined);
        let Some(id) = held else { return Ok(Verdict::Met) };
        if session::join(cx, at.login.browser, id, &at.login.service).await? {
            at.joined = true;
            return Ok(Verdict::Met);
        }
        // The session has ended meanwhile: the upstream is asked anew.
        (at.sign_in, at.session, at.confirmed) = (None, None, None);
        Known.check(cx, at).await
    }
}

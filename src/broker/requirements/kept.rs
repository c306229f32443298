//! Whoever came back from the upstream, and is good enough, is in the browser's session: for the next application, and for
//! the logout. Some identities may be delivered and not kept.

use async_trait::async_trait;

use super::{Requirement, Standing, Verdict};
use crate::broker::{Failure, Journey, session};

pub(super) struct Kept;

#[async_trait]
impl Requirement for Kept {
    async fn check(&self, cx: &mut Journey<'_>, at: &mut Standing<'_>) -> Result<Verdict, Box<Failure>> {
        let Some(id_token) = at.id_token.take() else { return Ok(Verdict::Met) };
        let Some(sign_in) = at.sign_in.take() else { return Ok(Verdict::Met) };
        let sign_in = session::sign_in(cx, at.login.browser, sign_in, id_token, &at.login.service).await?;
        (at.sign_in, at.joined) = (Some(sign_in), true);
        Ok(Verdict::Met)
    }
}

//! The beginning: what a front asks becomes a login.

use super::login::{Login, Stage};
use super::requirements::{Standing, advance};
use super::{Ask, Failure, Journey, Next, Session};
use crate::login::BrowserId;
use crate::service::{Prompt, Sso};

/// Begins what `ask` asks for `browser`, whose session, if any, is `session`.
pub async fn begin(
    cx: &mut Journey<'_>,
    ask: Ask<'_>,
    browser: BrowserId,
    session: Option<Session>,
) -> Result<Next, Box<Failure>> {
    cx.trace.set_login(ask.login);
    let service = cx.served(&ask.service).await?;
    let reauthenticate = service.sso == Sso::Off || ask.demand.prompt == Some(Prompt::Login);
    let login = Login {
        id: ask.login,
        front: ask.front.to_owned(),
        service: ask.service,
        demand: ask.demand,
        payload: ask.payload,
        browser,
        started: cx.now(),
        reauthenticate,
        stage: Stage::New,
    };
    advance(cx, Standing::new(login, service, session, ask.share)).await
}

//! What joins an application's protocol to the broker. Whoever adds a protocol adds a folder under `front/` and a line
//! in `app.rs`.

use async_trait::async_trait;

use super::login::{Answered, Payload, SignIn};
use super::{Failure, Journey};
use crate::login::{BrowserId, LoginId};
use crate::outcome::Declined;
use crate::service::{Demand, ServiceId};
use crate::store::OwnerRef;

/// What an application wants, already checked by its front.
pub struct Ask<'a> {
    /// The login's name in the events.
    pub login: LoginId,
    /// The name of the front that asks.
    pub front: &'static str,
    /// The service that asks.
    pub service: ServiceId,
    /// What is demanded beyond the service's configuration.
    pub demand: Demand,
    /// Whom the login counts against, besides the service and the browser's address.
    pub share: Option<OwnerRef<'a>>,
    /// The front's own request.
    pub payload: Payload,
}

/// A login that came to its end, well or not: whoever asked is told.
pub struct Outcome {
    /// Its name in the events.
    pub login: LoginId,
    /// The browser that takes the answer along.
    pub browser: BrowserId,
    /// The service that asked.
    pub service: ServiceId,
    /// The front's own request.
    pub payload: Payload,
    /// Who it is, or why not.
    pub result: Result<SignIn, Declined>,
}

/// What a front made of an outcome.
pub struct Answer {
    /// Where the browser goes, or the page that it is shown.
    pub reply: Result<String, Box<Failure>>,
    /// What the front needs to know, a minute later, whether the same answer may be sent again.
    pub receipt: Payload,
}

/// One application protocol.
#[async_trait]
pub trait Front: Send + Sync {
    /// The name under which its logins are kept; it never changes.
    fn name(&self) -> &'static str;

    /// Spends what is single-use, then makes the answer. Where it fails nothing may leave, and it may be called again
    /// for the same login.
    async fn answer(&self, cx: &mut Journey<'_>, outcome: Outcome) -> Result<Answer, Box<Failure>>;

    /// Whether the answer that `login` gave may be sent again: its address is still the application's, what it spent
    /// is spent by this login, and what it carries waits still.
    async fn is_good(
        &self,
        cx: &Journey<'_>,
        login: LoginId,
        answered: &Answered,
    ) -> Result<bool, Box<Failure>>;

    /// Says that the answer was sent to `location` again.
    fn repeated(&self, cx: &Journey<'_>, location: &str);
}

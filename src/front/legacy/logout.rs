//! A sealed logout: the application says whose session shall end, and it ends without a question.

use super::marks::OF_PERSON;
use super::{Legacy, SpentMessage};
use crate::broker::logout::{Away, close};
use crate::broker::{Failure, Journey, Session, person};
use crate::event::{Facts, Step, reasons};
use crate::legacy::{App, open_logout};
use crate::login::{BrowserId, LoginId};

impl Legacy {
    /// Whether a sealed logout of `app` is good, and for this session: then it acts at once. Otherwise `None`, and the
    /// person is asked.
    pub async fn sealed_logout(
        &self,
        cx: &mut Journey<'_>,
        app: &App,
        query: &str,
        session: &Session,
        browser: BrowserId,
    ) -> Result<Option<Away>, Box<Failure>> {
        let now = cx.now();
        let refused = |cx: &Journey<'_>, facts| {
            cx.trace.because(Step::LegacyRequestNoted, reasons::legacy::LOGOUT_UNSEALED, None, facts);
            Ok(None)
        };
        let message = match open_logout(app, &self.issuer, query, self.means.floor, now) {
            Ok(message) => message,
            Err(error) => {
                let cause = Some(error.reason.slug().to_owned());
                return refused(cx, Facts { cause, ..error.facts });
            }
        };
        if !session.is_of(&message.sub, &app.service.upstreams) {
            return refused(cx, Facts { cause: Some("not for this session".to_owned()), ..Facts::default() });
        }
        let spent = SpentMessage { login: LoginId::new(cx.entropy.bytes()), browser };
        let marks = &self.means.records.spent;
        let owners = [person::owner(&session.person).within(OF_PERSON)];
        if !marks.insert_new(&message.mark.0, &spent, message.fresh_until, &owners, now).await? {
            return refused(cx, Facts { cause: Some("already used".to_owned()), ..Facts::default() });
        }
        close(cx, &app.service.id, session, browser).await.map(Some)
    }
}

//! Room for one more login: a share per application and per address, and few per message.

use super::{Failure, Journey};
use crate::event::{Facts, reasons};
use crate::message::PublicMessage;
use crate::request::LoginRequest;
use crate::service::AppId;
use crate::store::StoreError;

/// How many logins of one message may be in flight; the oldest falls.
const PER_MESSAGE: usize = 8;

/// What a login in flight belongs to.
pub(super) struct Owners<'a> {
    mark: &'a [u8],
    app: &'a [u8],
    address: Vec<u8>,
}

impl<'a> Owners<'a> {
    pub(super) fn of(cx: &Journey<'_>, request: &'a LoginRequest) -> Self {
        let address = cx.trace.peer.as_ref().map(|peer| peer.prefix().to_string()).unwrap_or_default();
        Self { mark: request.mark(), app: request.app().as_str().as_bytes(), address: address.into_bytes() }
    }

    pub(super) fn list(&self) -> [(&'static str, &[u8]); 3] {
        [("message", self.mark), ("app", self.app), ("address", &self.address)]
    }
}

/// Refuses where a share is used up; drops the message's oldest login where it holds too many.
pub(super) async fn admit(cx: &Journey<'_>, app: &AppId, owners: &Owners<'_>) -> Result<(), Box<Failure>> {
    let now = cx.now();
    let [message, of_app, of_address] = owners.list();
    for (owner, share) in [(of_app, cx.limits.logins_per_app), (of_address, cx.limits.logins_per_address)] {
        let count =
            cx.tables.away.count_owned(owner, now).await? + cx.tables.confirm.count_owned(owner, now).await?;
        if count >= share {
            let facts = Facts {
                count: u64::try_from(count).ok(),
                names: Some(owner.0.to_owned()),
                ..Facts::default()
            };
            let mut failure = Failure::new(PublicMessage::Busy, Some(app), reasons::broker::TOO_MANY_LOGINS);
            failure.facts = facts;
            return Err(failure);
        }
    }
    Ok(drop_oldest(cx, message).await?)
}

async fn drop_oldest(cx: &Journey<'_>, message: (&'static str, &[u8])) -> Result<(), StoreError> {
    let now = cx.now();
    let away = cx.tables.away.count_owned(message, now).await?;
    let asked = cx.tables.confirm.count_owned(message, now).await?;
    if away + asked < PER_MESSAGE {
        return Ok(());
    }
    if away > 0 {
        if let Some((key, _)) =
            cx.tables.away.owned(message, now).await?.into_iter().min_by_key(|(_, l)| l.started)
        {
            cx.tables.away.forget_key(key).await?;
        }
    } else if let Some((key, _)) =
        cx.tables.confirm.owned(message, now).await?.into_iter().min_by_key(|(_, l)| l.started)
    {
        cx.tables.confirm.forget_key(key).await?;
    }
    Ok(())
}

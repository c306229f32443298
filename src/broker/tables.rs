//! The records of the journey.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Session;
use crate::clock::Timestamp;
use crate::login::{AwayLogin, BrowserId, ConfirmLogin, LoginId};
use crate::service::{AppId, UpstreamName};
use crate::store::{Ephemeral, Kind, Sealer, Store, Table};

/// Every table that the journey uses.
#[derive(Clone)]
pub struct Tables {
    /// By `state`.
    pub away: Table<AwayLogin>,
    /// By the token of the confirmation page.
    pub confirm: Table<ConfirmLogin>,
    /// What became of a `state` or a form's token after its use.
    pub used: Table<UsedHandle>,
    /// By the message's mark.
    pub spent: Table<SpentMessage>,
    /// By the mark of a message without a time, or, where the other marks are lost, with one that was still to come;
    /// durable.
    pub spent_timeless: Table<SpentMessage>,
    /// The address that a browser was sent to, by login id.
    pub answers: Table<String>,
    /// Sealed answers that wait to be claimed, by application, key and reference.
    pub references: Table<Claimable>,
    /// The mark of the message that used it, by application and IV.
    pub seen_ivs: Table<[u8; 32]>,
    /// By `sid`.
    pub sessions: Table<Session>,
    /// The `sid`, by the session cookie's value.
    pub session_cookies: Table<String>,
    /// By the token of the logout page.
    pub confirm_logout: Table<ConfirmLogout>,
    /// By the `state` sent to the upstream's logout.
    pub away_logout: Table<AwayLogout>,
}

impl Tables {
    /// All tables: in `durable` the kinds that must be there, the others in `store`, of which `ephemeral` tells what
    /// becomes.
    pub fn new(
        store: &Arc<dyn Store>,
        ephemeral: Ephemeral,
        durable: &Arc<dyn Store>,
        sealer: &Sealer,
    ) -> Self {
        let place = |kind: Kind| if kind.is_durable(ephemeral) { durable.clone() } else { store.clone() };
        Self {
            away: table(place, sealer, Kind::AwayLogin),
            confirm: table(place, sealer, Kind::ConfirmLogin),
            used: table(place, sealer, Kind::UsedHandle),
            spent: table(place, sealer, Kind::SpentMessage),
            spent_timeless: table(place, sealer, Kind::SpentTimeless),
            answers: table(place, sealer, Kind::Answer),
            references: table(place, sealer, Kind::Reference),
            seen_ivs: table(place, sealer, Kind::SeenIv),
            sessions: table(place, sealer, Kind::Session),
            session_cookies: table(place, sealer, Kind::SessionCookie),
            confirm_logout: table(place, sealer, Kind::ConfirmLogout),
            away_logout: table(place, sealer, Kind::AwayLogout),
        }
    }
}

fn table<T: Serialize + DeserializeOwned>(
    place: impl Fn(Kind) -> Arc<dyn Store>,
    sealer: &Sealer,
    kind: Kind,
) -> Table<T> {
    Table::new(place(kind), sealer.clone(), kind)
}

/// The login that used a handle: for the button, and the repeated answer, of whoever comes again.
#[derive(Clone, Serialize, Deserialize)]
pub struct UsedHandle {
    /// The login.
    pub login: LoginId,
    /// Its application.
    pub app: AppId,
    /// Its browser.
    pub browser: BrowserId,
}

/// A message that was answered.
#[derive(Clone, Serialize, Deserialize)]
pub struct SpentMessage {
    /// The login that answered it.
    pub login: LoginId,
    /// The browser that received the answer.
    pub browser: BrowserId,
    /// When.
    pub at: Timestamp,
}

/// A sealed answer that waits for its application's server.
#[derive(Clone, Serialize, Deserialize)]
pub struct Claimable {
    /// The login that it ends.
    pub login: LoginId,
    /// The sealed answer.
    pub sealed: String,
}

/// A logout that awaits the person's yes.
#[derive(Clone, Serialize, Deserialize)]
pub struct ConfirmLogout {
    /// The application that asked.
    pub app: AppId,
    /// The session that would end.
    pub sid: String,
    /// The browser that was asked.
    pub browser: BrowserId,
}

/// A logout whose browser is at an upstream.
#[derive(Clone, Serialize, Deserialize)]
pub struct AwayLogout {
    /// The application that asked, whose button the last page shows.
    pub app: AppId,
    /// The login of the session that ended.
    pub login: LoginId,
    /// Upstreams still to be told, with the `id_token` that each wants as a hint.
    pub remaining: Vec<(UpstreamName, String)>,
}

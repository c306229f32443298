//! What this front remembers: marks against replay, and answers that wait to be claimed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::legacy::{CLAIM, TIMELESS};
use crate::login::{BrowserId, Hex, LoginId};
use crate::store::{Ceiling, Class, Kind, Lifetimes, Record, Spec, Stores, Table, fields_of};

/// Every table of this front.
#[derive(Clone)]
pub struct Records {
    /// By the message's mark.
    pub spent: Table<SpentMessage>,
    /// By the mark of a message without a time, or, where the other marks are lost, with one that was still to come.
    pub spent_timeless: Table<SpentTimeless>,
    /// By the message's mark and the browser that was refused.
    pub refused: Table<RefusedMessage>,
    /// By application, key and reference.
    pub references: Table<Reference>,
    /// By application and IV.
    pub seen_ivs: Table<SeenIv>,
}

impl Records {
    /// Each table in the store where its class belongs.
    pub fn new(stores: &Stores<'_>) -> Self {
        Self {
            spent: stores.table(),
            spent_timeless: stores.table(),
            refused: stores.table(),
            references: stores.table(),
            seen_ivs: stores.table(),
        }
    }
}

/// Marks are small, and never evicted early: room for a quarter of an hour of answers.
const MARKS: usize = 1_000_000;

/// A message is known until nobody could send it again and no login of it is under way: its age, what clocks may differ
/// by, and the longest login.
fn mark(lifetimes: &Lifetimes) -> Duration {
    lifetimes.message.saturating_add(Duration::from_mins(1)).max(lifetimes.login)
}

/// A message that gave an identity.
#[derive(Clone, Serialize, Deserialize)]
pub struct SpentMessage {
    /// The login that spent it.
    pub login: LoginId,
    /// The browser that received the answer.
    pub browser: BrowserId,
}

impl Record for SpentMessage {
    const KIND: Kind = Kind::new(&Spec {
        name: "spent_message",
        class: Class::AnyNode,
        is_mark: true,
        ceiling: Ceiling::Fixed(MARKS),
        about: "that a message was answered",
        personal: "",
        fields: fields_of::<Self>,
        longest: mark,
        ends: "until the message is too old anyway, and an hour longer",
    });
}

/// A message without a time, or with one that was still to come, that gave an identity.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpentTimeless(pub SpentMessage);

impl Record for SpentTimeless {
    const KIND: Kind = Kind::new(&Spec {
        name: "spent_timeless",
        class: Class::Lasting,
        is_mark: true,
        ceiling: Ceiling::Fixed(MARKS),
        about: "that a message was answered: of a KIF wire, or stamped ahead of the relay's clock",
        personal: "",
        fields: fields_of::<SpentMessage>,
        longest: |_| Duration::from_secs(TIMELESS),
        ends: "",
    });
}

/// A message that was refused to one browser.
#[derive(Clone, Serialize, Deserialize)]
pub struct RefusedMessage {
    /// The login that was refused.
    pub login: LoginId,
}

impl Record for RefusedMessage {
    const KIND: Kind = Kind::new(&Spec {
        name: "refused_message",
        class: Class::Browser,
        is_mark: false,
        // As many as logins that were answered; where it is full, the browser may only begin again.
        ceiling: Ceiling::Logins(2),
        about: "that a message was refused to a browser",
        personal: "",
        fields: fields_of::<Self>,
        longest: |lifetimes| lifetimes.login,
        ends: "",
    });
}

/// A sealed answer that waits for its application's server.
#[derive(Clone, Serialize, Deserialize)]
pub struct Reference {
    /// The login that it ends.
    pub login: LoginId,
    /// The sealed answer.
    pub sealed: String,
}

impl Record for Reference {
    const KIND: Kind = Kind::new(&Spec {
        name: "reference",
        class: Class::AnyNode,
        is_mark: false,
        ceiling: Ceiling::Logins(4),
        about: "an answer that its application will fetch",
        personal: "the identity, sealed for the application",
        fields: fields_of::<Self>,
        longest: |_| CLAIM,
        ends: "taken when it is fetched",
    });
}

/// The beginning of the mark of the message that used an IV.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeenIv(pub Hex<16>);

impl Record for SeenIv {
    const KIND: Kind = Kind::new(&Spec {
        name: "seen_iv",
        class: Class::AnyNode,
        is_mark: true,
        ceiling: Ceiling::Fixed(MARKS),
        about: "that an application used an IV",
        personal: "",
        fields: fields_of::<Self>,
        longest: mark,
        ends: "",
    });
}

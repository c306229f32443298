//! The door of the legacy applications: a message becomes an ask, an outcome a sealed answer.
//!
//! What is single-use here: a message is spent by the identity that answers it, a reference by its claim, a sealed logout
//! by what it ends. Whatever is spent is marked first, with the login that spent it; only then anything leaves.

mod answer;
mod claim;
mod logout;
mod marks;
mod open;
mod records;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::legacy::{App, Usage};
use crate::limit::Limiter;
use crate::service::ServiceId;

pub use claim::ClaimError;
pub use open::{Opened, Request};
pub use records::{Records, Reference, RefusedMessage, SeenIv, SpentMessage, SpentTimeless};

/// The name under which its logins are kept.
const NAME: &str = "legacy";

/// The legacy applications in the configuration in force.
pub struct Legacy {
    /// The relay's issuer identifier, which answers name.
    pub issuer: String,
    /// The application of a bare `/idp`.
    pub default_app: Option<ServiceId>,
    apps: HashMap<ServiceId, App>,
    means: Arc<Means>,
}

/// What survives a change of configuration.
pub struct Means {
    /// The records.
    pub records: Records,
    /// Messages sealed before this instant are refused, where their marks did not survive.
    pub floor: Option<Timestamp>,
    /// Messages on weak wires, by application.
    pub weak_wires: Usage,
    refused_messages: Limiter<(Option<ServiceId>, IpAddr)>,
    wrong_claims: Limiter<IpAddr>,
}

impl Means {
    /// With so many refused messages a minute, by application and address prefix, and wrong claim passwords, by address
    /// prefix.
    pub fn new(records: Records, floor: Option<Timestamp>, refused_messages: u32, wrong_claims: u32) -> Self {
        const WINDOW: Duration = Duration::from_mins(1);
        Self {
            records,
            floor,
            weak_wires: Usage::default(),
            refused_messages: Limiter::new(refused_messages, WINDOW),
            wrong_claims: Limiter::new(wrong_claims, WINDOW),
        }
    }
}

impl Legacy {
    /// The door of `apps`.
    pub fn new(issuer: String, default_app: Option<ServiceId>, apps: Vec<App>, means: Arc<Means>) -> Self {
        let apps = apps.into_iter().map(|app| (app.service.id.clone(), app)).collect();
        Self { issuer, default_app, apps, means }
    }

    /// An application, enabled or not.
    pub fn app(&self, id: &ServiceId) -> Option<&App> {
        self.apps.get(id)
    }

    /// Every application, in no order.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }
}

//! Memory beside a shared database: for one node, unless the configuration says otherwise.

use async_trait::async_trait;

use super::{Check, Finding, Patient};
use crate::config::Durable;
use crate::store::Ephemeral;

pub(super) struct Affinity;

#[async_trait]
impl Check for Affinity {
    async fn run(&self, patient: &Patient) -> Vec<Finding> {
        let store = &patient.config.store;
        // What `affinity = true` costs is a warning of the configuration.
        if (store.ephemeral_class(), store.durable) != (Ephemeral::Lost, Durable::Postgres) {
            return Vec::new();
        }
        let what = "memory beside PostgreSQL is for one node: a second one would accept a message again";
        let advice = "for several nodes write ephemeral = \"postgres\" or \"redis\", or, behind a sticky balancer, affinity = true";
        vec![Finding::warn("store.affinity", what, advice)]
    }
}

//! The configuration, which has no fault if this runs: its weak choices.

use async_trait::async_trait;

use super::{Check, Finding, Patient};

pub(super) struct Configuration;

#[async_trait]
impl Check for Configuration {
    async fn run(&self, patient: &Patient) -> Vec<Finding> {
        let config = &patient.config;
        let (upstreams, apps) = (config.upstreams.len(), config.apps.len());
        let what = format!("no fault; upstreams: {upstreams}, applications: {apps}");
        let mut findings = vec![Finding::ok("configuration", what)];
        findings
            .extend(config.warnings.iter().map(|warning| Finding::warn(&warning.path, &*warning.text, "")));
        findings
    }
}

//! Each legacy application: its keys, and until when it is served.

use async_trait::async_trait;

use super::{Check, Finding, Patient};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::entropy::SystemEntropy;
use crate::legacy::{App, AppKey, Direction};

pub(super) struct Apps;

/// A `sunset` nearer than this is warned of, in days.
const NEAR: u64 = 60;
const DAY: u64 = 86_400;

#[async_trait]
impl Check for Apps {
    async fn run(&self, patient: &Patient) -> Vec<Finding> {
        let now = SystemClock.now();
        patient.config.apps.iter().flat_map(|app| one(app, now)).collect()
    }
}

fn one(app: &App, now: Timestamp) -> Vec<Finding> {
    let area = format!("legacy.{}", app.service.id);
    let mut findings: Vec<_> = app.keys.iter().map(|key| of_key(&area, app, key, now)).collect();
    if !app.service.enabled {
        findings.push(Finding::warn(&area, "is disabled", "enabled = true serves it"));
    }
    if let Some(sunset) = app.sunset {
        findings.push(of_sunset(&area, app.is_past_sunset(now), sunset.seconds(), now.seconds()));
    }
    findings
}

fn of_key(area: &str, app: &App, key: &AppKey, now: Timestamp) -> Finding {
    let fingerprint = key.fingerprint.0.to_string();
    let wire = app.wire.name();
    let sealed = key.keyed.seal(Direction::Request, now, &SystemEntropy::new(), b"relais doctor");
    let opened = key.keyed.open(Direction::Request, &sealed);
    if !opened.is_ok_and(|opened| opened.plaintext == b"relais doctor") {
        let what = format!("key {fingerprint} does not open on {wire} what it has sealed");
        return Finding::fail(area, what, "do not serve with this build; report it");
    }
    match key.until {
        Some(until) if until < now => {
            let advice = "take previous_key_file and previous_key_until out";
            Finding::warn(area, format!("previous key {fingerprint} has ended"), advice)
        }
        Some(_) => Finding::ok(area, format!("previous key {fingerprint} seals and opens on {wire}")),
        None => Finding::ok(area, format!("key {fingerprint} seals and opens on {wire}")),
    }
}

fn of_sunset(area: &str, is_past: bool, sunset: u64, now: u64) -> Finding {
    let days = sunset.abs_diff(now) / DAY;
    if is_past {
        let what = format!("is not served any more: its sunset was {days} days ago");
        Finding::fail(area, what, "move it to another wire, or set a later sunset")
    } else if days < NEAR {
        let what = format!("its sunset is in {days} days");
        Finding::warn(area, what, "move it to aes-256-gcm or jwe before")
    } else {
        Finding::ok(area, format!("its sunset is in {days} days"))
    }
}

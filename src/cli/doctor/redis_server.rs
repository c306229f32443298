//! Redis, where the ephemeral class is kept there.

use async_trait::async_trait;

use super::{Check, Finding, PATIENCE, Patient, clock};
use crate::clock::SystemClock;
use crate::outbound::chain;
use crate::store::{RedisFacts, RedisSettings};

pub(super) struct Redis;

const AREA: &str = "store.redis";
/// The first version that will do.
const OLDEST: (u32, u32) = (6, 2);

#[async_trait]
impl Check for Redis {
    async fn run(&self, patient: &Patient) -> Vec<Finding> {
        let Some(settings) = &patient.config.store.redis else { return Vec::new() };
        match RedisFacts::gather(settings, PATIENCE, &SystemClock).await {
            Ok(facts) => {
                let known = [
                    server(settings, &facts),
                    role(&facts),
                    memory(&facts),
                    disk(&facts),
                    replicas(settings, &facts),
                ];
                known.into_iter().chain(facts.ahead.map(|ahead| clock(AREA, ahead))).collect()
            }
            Err(error) => {
                let advice = "look at store.redis, at the server and its users, and at the firewall";
                vec![Finding::fail(AREA, chain(&error), advice)]
            }
        }
    }
}

fn server(settings: &RedisSettings, facts: &RedisFacts) -> Finding {
    let tls = settings.url.expose().starts_with("rediss:");
    let how = if tls { "over verified TLS" } else { "on this machine" };
    let what = format!("{} answers, {how}", facts.server);
    if facts.version < OLDEST {
        return Finding::fail(AREA, what, "the relay needs Redis 6.2 or later, or Valkey");
    }
    Finding::ok(AREA, what)
}

fn role(facts: &RedisFacts) -> Finding {
    if facts.is_primary {
        return Finding::ok(AREA, "is a primary");
    }
    Finding::fail(AREA, "is a replica, which takes no writes", "name the primary, or promote this one")
}

fn memory(facts: &RedisFacts) -> Finding {
    if facts.policy == "noeviction" || !facts.is_limited {
        return Finding::ok(AREA, "forgets nothing that is alive");
    }
    let what = format!("evicts under maxmemory-policy {}: the relay does not start on it", facts.policy);
    Finding::fail(AREA, what, "maxmemory-policy noeviction")
}

fn disk(facts: &RedisFacts) -> Finding {
    if !facts.appends {
        let what = "appendonly no: when it restarts, sessions, logins and the marks against replay are gone";
        return Finding::warn(AREA, what, "appendonly yes");
    }
    match facts.fsync.as_deref() {
        Some("always") => Finding::ok(AREA, "what it acknowledges is on disk (appendfsync always)"),
        Some("no") => {
            let what = "appendfsync no: if its machine fails, half a minute of what it acknowledged is lost";
            Finding::warn(AREA, what, "appendfsync everysec, or always")
        }
        Some(fsync) => {
            let what = format!("appendfsync {fsync}: if its machine fails, the last second or two are lost");
            Finding::ok(AREA, what)
        }
        None => Finding::ok(AREA, "appendonly yes; its user may not ask for appendfsync"),
    }
}

fn replicas(settings: &RedisSettings, facts: &RedisFacts) -> Finding {
    let (wanted, had) = (settings.wait_replicas, facts.replicas);
    if had < wanted {
        let what = format!("{had} replicas follow it, and wait_replicas = {wanted}: no login succeeds");
        return Finding::fail(AREA, what, "start the replicas, or lower wait_replicas");
    }
    let lost = if wanted == 0 { ": if the primary is lost, so is what no replica had yet" } else { "" };
    Finding::ok(AREA, format!("{had} replicas follow it, and wait_replicas = {wanted}{lost}"))
}

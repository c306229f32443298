//! The PostgreSQL database, where anything is kept there.

use async_trait::async_trait;

use super::{Check, Finding, Patient, clock};
use crate::outbound::chain;
use crate::store::{PostgresFacts, PostgresSettings};

pub(super) struct Postgres;

const AREA: &str = "store.postgres";
/// The first major version that will do.
const OLDEST: i32 = 13;

#[async_trait]
impl Check for Postgres {
    async fn run(&self, patient: &Patient) -> Vec<Finding> {
        let (Some(settings), Some(facts)) = (&patient.config.store.postgres, patient.postgres().await) else {
            return Vec::new();
        };
        match facts {
            Ok(facts) => vec![
                server(settings, facts),
                role(facts),
                disk(facts),
                tables(settings, facts),
                connections(settings, facts),
                standbys(facts),
                clock(AREA, facts.ahead),
            ],
            Err(error) => {
                let advice = "look at store.postgres, at the server and its pg_hba.conf, and at the firewall";
                vec![Finding::fail(AREA, chain(error), advice)]
            }
        }
    }
}

fn server(settings: &PostgresSettings, facts: &PostgresFacts) -> Finding {
    let how = if settings.tls { "over verified TLS" } else { "on this machine" };
    let what = format!("PostgreSQL {} answers, {how}", facts.version);
    if facts.major < OLDEST {
        return Finding::fail(AREA, what, format!("the relay needs PostgreSQL {OLDEST} or later"));
    }
    Finding::ok(AREA, what)
}

fn role(facts: &PostgresFacts) -> Finding {
    if facts.is_standby {
        return Finding::fail(
            AREA,
            "is a standby, which takes no writes",
            "name the primary, or promote this one",
        );
    }
    if facts.is_read_only {
        let advice = "look at default_transaction_read_only of the server, the database and the user";
        return Finding::fail(AREA, "is a primary, and takes no writes", advice);
    }
    Finding::ok(AREA, "is a primary, and takes writes")
}

fn disk(facts: &PostgresFacts) -> Finding {
    if facts.fsync {
        return Finding::ok(AREA, "what it acknowledges is on disk (fsync = on)");
    }
    let what = "fsync = off: if its machine fails, it forgets what was spent, or everything";
    Finding::fail(AREA, what, "fsync = on")
}

fn tables(settings: &PostgresSettings, facts: &PostgresFacts) -> Finding {
    let (name, known) = (&settings.schema, facts.known);
    match facts.schema.map(|found| (found, usize::try_from(found).unwrap_or_default())) {
        None if facts.may_make => {
            Finding::ok(AREA, format!("there are no tables in {name} yet: the first start makes them"))
        }
        None => {
            let what = format!("there are no tables in {name}, and its user may not make them");
            Finding::fail(AREA, what, "let the user own the database, or the schema")
        }
        Some((found, version)) if version > known => {
            let what =
                format!("the tables in {name} are of a later release ({found}; this one knows {known})");
            Finding::fail(AREA, what, "start the later release")
        }
        Some((_, version)) if version == known => {
            Finding::ok(AREA, format!("the tables in {name} are those of this release ({known})"))
        }
        Some((found, _)) => Finding::ok(
            AREA,
            format!("the tables in {name} are older ({found}): the next start brings them to {known}"),
        ),
    }
}

fn connections(settings: &PostgresSettings, facts: &PostgresFacts) -> Finding {
    let PostgresFacts { connections, in_use, .. } = facts;
    let ours = settings.max_connections;
    let what = format!(
        "it has {connections} connections, of which {in_use} are in use; each node takes up to {ours}"
    );
    if usize::try_from(*connections).is_ok_and(|there| there < ours) {
        let advice = "raise max_connections of the server, or lower store.postgres.max_connections";
        return Finding::warn(AREA, what, advice);
    }
    Finding::ok(AREA, what)
}

fn standbys(facts: &PostgresFacts) -> Finding {
    Finding::ok(
        AREA,
        match facts.synchronous.as_str() {
            "" => "waits for no standby: if the primary is lost, so is what no standby had yet".to_owned(),
            names => format!("waits for a standby before it acknowledges ({names})"),
        },
    )
}

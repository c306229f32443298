//! `relais privacy`: what is kept, of whom, for how long, and where.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::config_file::ConfigFile;
use super::{Failure, output};
use crate::config::{Backend, Config, Durable};
use crate::records;
use crate::store::{Kind, Lifetimes};

/// List every kind of record that a relay with this configuration keeps.
///
/// For each: what it is, what of a person is in it, its fields, the longest that it is kept, and where. Everything
/// kept is sealed under the seal key, and found by a digest: a copy of the store discloses neither an identity nor a
/// token. For a record of processing activities (GDPR, article 30).
#[derive(Debug, Args)]
pub(super) struct Privacy {
    #[command(flatten)]
    config: ConfigFile,
    /// Print one JSON list
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    kind: &'static str,
    about: &'static str,
    personal: &'static str,
    fields: &'static [&'static str],
    longest_seconds: u64,
    ends: &'static str,
    kept_in: String,
}

impl Privacy {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.config.load()?;
        let rows = rows(&config);
        if self.json {
            let text = serde_json::to_string_pretty(&rows).map_err(|error| Failure::caused(&error))?;
            return output(format!("{text}\n").as_bytes());
        }
        let mut text = String::new();
        for row in &rows {
            let Row { kind, about, personal, fields, longest_seconds, ends, kept_in } = row;
            let _ = writeln!(text, "{kind}: {about}");
            let _ = writeln!(text, "  personal   {}", if personal.is_empty() { "nothing" } else { personal });
            if !fields.is_empty() {
                let _ = writeln!(text, "  fields     {}", fields.join(", "));
            }
            let ends = if ends.is_empty() { String::new() } else { format!("; {ends}") };
            let _ = writeln!(text, "  at most    {}{ends}", spoken(*longest_seconds));
            let _ = writeln!(text, "  kept in    {kept_in}\n");
        }
        text += LOG;
        output(text.as_bytes())
    }
}

/// What is not a record.
const LOG: &str = "\
log: one line per step, on standard output; how long it is kept is up to whoever collects it
  personal   the client's address, port and User-Agent; never an identity, a token, a message or a cookie
";

fn rows(config: &Config) -> Vec<Row> {
    let keys = &config.keys;
    let lifetimes = Lifetimes {
        login: config.limits.login,
        session: config.session.absolute,
        message: config.apps.iter().map(|app| app.request_max_age).max().unwrap_or_default(),
        key: keys.rotate.map_or(Duration::MAX, |rotate| {
            keys.announce.saturating_add(rotate).saturating_add(keys.overlap)
        }),
    };
    let file = |path: &Path| format!("the SQLite file {}", path.display());
    let row = |kind: Kind| {
        let kept_in = match (
            kind.is_durable(config.store.ephemeral_class()),
            config.store.ephemeral,
            config.store.durable,
        ) {
            (false, Backend::Memory, _) => "memory, until the process stops".to_owned(),
            (false, Backend::Redis, _) => "Redis".to_owned(),
            (false, Backend::Sqlite, _) | (true, _, Durable::Sqlite) => file(&config.store.path),
            (false, Backend::Postgres, _) | (true, _, Durable::Postgres) => {
                "the PostgreSQL database".to_owned()
            }
        };
        Row {
            kind: kind.name,
            about: kind.about,
            personal: kind.personal,
            fields: (kind.fields)(),
            longest_seconds: kind.kept(&lifetimes).as_secs(),
            ends: kind.ends,
            kept_in,
        }
    };
    records::ALL.into_iter().map(row).collect()
}

fn spoken(seconds: u64) -> String {
    let (count, unit) = match seconds {
        u64::MAX => return "until an operator ends it".to_owned(),
        s if s % 86_400 == 0 && s > 86_400 => (s / 86_400, "day"),
        s if s % 3600 == 0 && s > 0 => (s / 3600, "hour"),
        s if s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

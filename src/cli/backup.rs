//! `relais backup`.

use std::path::PathBuf;

use clap::Args;

use super::config_file::ConfigFile;
use super::{Failure, output};
use crate::config::{Durable, SealKey};
use crate::entropy::SystemEntropy;
use crate::keys::SealKeySource;
use crate::store::{Backup as Copied, back_up};

/// Copy the store's SQLite file while the relay serves, or while it is stopped
///
/// The copy is one consistent state, with all that was acknowledged before; the relay is not asked and does not wait.
/// It is checked before it gets its name, and opens only under the seal key, which is not in it. To restore, put it in the
/// place of `store.path` of a relay that is stopped: docs/operating.md, "Backup and restore".
#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    config: ConfigFile,
    /// Write it to a new file of mode 0600; never overwrites
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Backup {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.config.load()?;
        if config.store.durable == Durable::Postgres {
            return Err(Failure::Runtime(
                "nothing was copied: with store.durable = \"postgres\" take a copy by pg_dump, and keep the seal key \
                 apart from it"
                    .to_owned(),
            ));
        }
        let seal_key = match &config.seal_key {
            SealKey::Beside(path) => {
                // Told now rather than when the copy is needed.
                SealKeySource::File(path.clone()).load().map_err(|error| Failure::caused(&error))?;
                format!("the seal key {}", path.display())
            }
            SealKey::Given(_) => {
                "the seal key, from keys.seal_key_file or the variable RELAIS_KEYS__SEAL_KEY".to_owned()
            }
        };
        let copied = back_up(&config.store.path, &self.out, &SystemEntropy::new());
        let Copied { records, bytes } = copied.map_err(|error| Failure::caused(&error))?;
        let (out, file) = (self.out.display(), self.config.path().display());
        // Nothing tells which of the two has sealed a record until it is opened.
        let other = if config.other_seal_key.is_some() { ", and keys.other_seal_key_file" } else { "" };
        let text = format!(
            "{out}: {records} records, {bytes} bytes, checked\n\
             worthless without, so keep apart from it: {seal_key}{other}\n\
             also to keep: {file}, and the files that it names\n"
        );
        output(text.as_bytes())
    }
}

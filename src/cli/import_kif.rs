//! `relais import-kif`: KIF's `config.properties` as TOML.

use std::fs::{OpenOptions, remove_file};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::{Failure, output};
use crate::config::{Fault, Faults};
use crate::import::{Kif, SecretFiles};
use crate::paths::{BadAppId, app_id};
use crate::secret::Secret;
use crate::service::ServiceId;

/// Write KIF's configuration as the relay's.
///
/// Prints TOML on standard output. Choices that only a human can make are comments, each with a key
/// `unsettled_…` that `relais check-config` refuses by name until it is deleted. Faults of the file are told
/// line by line on standard error with exit code 78, and nothing is written.
///
/// No secret is printed. With `--with-secrets FILE` the provider's secret goes to `FILE.client_secret` and the
/// application's key to `FILE.key`, one secret a file because that is what the configuration names; both are new
/// files of mode 0600. Without it, comments give the command that writes them.
#[derive(Debug, Args)]
pub(super) struct ImportKif {
    /// KIF's config.properties
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the secrets to `FILE.client_secret` and `FILE.key`, which must not exist; the configuration
    /// names them as they are given here, from its own directory
    #[arg(long, value_name = "FILE")]
    with_secrets: Option<String>,
    /// The id of the application that KIF serves: [a-z0-9][a-z0-9_-]{0,63}
    #[arg(long, value_name = "ID", default_value = "app", value_parser = app)]
    app: ServiceId,
}

fn app(id: &str) -> Result<ServiceId, BadAppId> {
    app_id(id)
}

/// Far more than a configuration of KIF holds.
const CEILING: u64 = 1024 * 1024;

impl ImportKif {
    pub(super) fn run(self) -> Result<(), Failure> {
        let kif = Kif::read(&self.read()?).map_err(Failure::Config)?;
        let Some(prefix) = &self.with_secrets else {
            let text =
                kif.to_toml(&self.app, &SecretFiles::to_be_made(&self.app, &self.file.to_string_lossy()));
            return output(text.as_bytes());
        };
        let files = SecretFiles::beginning_with(prefix);
        let text = kif.to_toml(&self.app, &files);
        let mut written = Written(Vec::new());
        written.add(&files.client_secret, &kif.client_secret)?;
        if let Some(key) = &kif.key {
            written.add(&files.key, key)?;
        }
        output(text.as_bytes())?;
        written.keep();
        Ok(())
    }

    fn read(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let shown = self.file.display().to_string();
        let fault = |wrong: String, right: &str| {
            Failure::Config(Faults(vec![Fault { path: shown.clone(), wrong, right: right.to_owned() }]))
        };
        let right = "give the path of KIF's config.properties";
        let size = std::fs::metadata(&self.file).map(|data| data.len());
        if size.is_ok_and(|size| size > CEILING) {
            return Err(fault("is larger than 1 MiB".to_owned(), right));
        }
        let bytes = std::fs::read(&self.file);
        bytes.map(Zeroizing::new).map_err(|error| fault(format!("cannot be read ({error})"), right))
    }
}

/// The files made so far; taken away again unless all of them are, so that a second try finds none.
struct Written(Vec<PathBuf>);

impl Written {
    fn add(&mut self, path: &str, secret: &Secret<String>) -> Result<(), Failure> {
        let failed = |error| Failure::Runtime(format!("cannot make {path}: {error}; nothing was written"));
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        self.0.push(Path::new(path).to_owned());
        let line = Zeroizing::new(format!("{}\n", secret.expose()));
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        for path in &self.0 {
            // Whoever is told of the first failure can do no more about a second.
            let _ = remove_file(path);
        }
    }
}

//! What is wrong with a configuration, and what is weak in it.

use std::fmt;
use std::io;
use std::path::Path;

/// One fault: where, what is wrong, what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The dotted path of the key, or the place in the file.
    pub path: String,
    /// What is wrong. Never the value of a secret.
    pub wrong: String,
    /// What would be right.
    pub right: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.wrong, self.right)
    }
}

/// Every fault of a configuration, never empty; one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// The file itself cannot be read.
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        let right = match error.kind() {
            io::ErrorKind::NotFound => "give the path of a file; config/relais.toml is a commented one",
            io::ErrorKind::PermissionDenied => "let the user that runs relais read it",
            io::ErrorKind::InvalidData => "write it in UTF-8",
            _ => "give the path of a file that can be read",
        };
        let fault = Fault {
            path: path.display().to_string(),
            wrong: format!("cannot be read ({error})"),
            right: right.to_owned(),
        };
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// A choice that is weaker than it could be, or that was probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The dotted path of the key.
    pub path: String,
    /// What follows from it.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.text)
    }
}

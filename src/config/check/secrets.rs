//! Secrets: from a file that nobody else can read, or from the environment; never from the configuration.

use std::path::{Path, PathBuf};

use crate::config::file::{Section, variable};
use crate::config::value::{Raw, Wrong, text};
use crate::keys::{BYTE_ORDER_MARK, SecretFileError, read_secret_file};
use crate::secret::Secret;

/// A path, from the directory of the configuration.
pub(super) fn path(base: &Path) -> impl FnOnce(&Raw<'_>) -> Result<PathBuf, Wrong> {
    move |raw| text(raw).map(|path| base.join(path))
}

/// The keys of one secret: `client_secret`, which only the environment may give, and `client_secret_file`.
pub(super) struct Names {
    /// For the environment.
    pub(super) direct: &'static str,
    /// For the file.
    pub(super) file: &'static str,
}

/// The secret, if one is given and can be read; an absence is not reported.
pub(super) fn optional(section: &Section<'_>, names: &Names, base: &Path) -> Option<Secret<String>> {
    let file = section.optional(names.file, path(base));
    if let Some(value) = section.unwritten(names.direct) {
        return direct(section, names, value);
    }
    match read(&file?) {
        Ok(secret) if is_placeholder(secret.expose()) => {
            let wrong = Wrong::new("holds a placeholder", "put the secret itself in it");
            section.fault(names.file, wrong);
            None
        }
        Ok(secret) => Some(secret),
        Err(wrong) => {
            section.fault(names.file, wrong);
            None
        }
    }
}

/// The same; an absence is a fault.
pub(super) fn required(section: &Section<'_>, names: &Names, base: &Path) -> Option<Secret<String>> {
    if !section.has(names.file) && !section.has(names.direct) {
        let variable = variable(&section.path_of(names.direct));
        let right = format!("name a file of mode 0600 that holds it, or set {variable}");
        section.fault(names.file, Wrong { wrong: "is missing".to_owned(), right });
    }
    optional(section, names, base)
}

fn direct(section: &Section<'_>, names: &Names, value: &toml::Value) -> Option<Secret<String>> {
    let (file, variable) = (names.file, variable(&section.path_of(names.direct)));
    if !section.is_from_env(names.direct) {
        let right = format!("put it in a file of mode 0600 and name that in `{file}`, or set {variable}");
        section
            .fault(names.direct, Wrong { wrong: "is a secret, which has no place here".to_owned(), right });
        return None;
    }
    let text = value.as_str().map(|text| text.trim_end_matches(['\r', '\n'])).unwrap_or_default();
    if text.is_empty() {
        let right = format!("set {variable} to the secret, or unset it");
        section.fault(names.direct, Wrong { wrong: "is empty".to_owned(), right });
        return None;
    }
    if is_placeholder(text) {
        let right = format!("set {variable} to the secret itself");
        section.fault(names.direct, Wrong { wrong: "is a placeholder".to_owned(), right });
        return None;
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        let right = format!("set {variable} to the secret alone");
        section.fault(names.direct, Wrong { wrong: "begins with a byte order mark".to_owned(), right });
        return None;
    }
    Some(Secret::new(text.to_owned()))
}

/// What a template or a manual has where a value of one's own belongs. A whole one: a value may hold such a word by chance.
pub(super) fn is_placeholder(value: &str) -> bool {
    const WORDS: [&str; 13] = [
        "the id that the provider gave you",
        "the id that the provider gave",
        "changeme",
        "change-me",
        "change_me",
        "todo",
        "fixme",
        "xxx",
        "placeholder",
        "your secret",
        "your client id",
        "your client secret",
        "replace me",
    ];
    let value = value.trim();
    let bare = value.trim_matches(|c| "<>{}[]$".contains(c)).to_lowercase();
    let spaced = bare.replace(['-', '_'], " ");
    let marked = value.starts_with('<') && value.ends_with('>')
        || value.starts_with("${") && value.ends_with('}')
        || value.starts_with("{{") && value.ends_with("}}");
    marked
        || [&bare, &spaced]
            .iter()
            .any(|value| WORDS.contains(&value.as_str()) || value.starts_with("your client "))
}

/// Reads a secret file, and says what is wrong with it.
pub(super) fn read(path: &Path) -> Result<Secret<String>, Wrong> {
    read_secret_file(path).map_err(|error| {
        let shown = path.display();
        let (wrong, right) = match error {
            SecretFileError::Missing { .. } => {
                (format!("names {shown}, which is not there"), "make it, with mode 0600".to_owned())
            }
            SecretFileError::Io { source, .. } => {
                (format!("cannot be read ({source})"), format!("let the user that runs relais own {shown}"))
            }
            SecretFileError::NotAFile { .. } => {
                (format!("names {shown}, which is no regular file"), "name a file".to_owned())
            }
            SecretFileError::Open { mode, .. } => {
                (format!("is readable by others (mode {mode:04o})"), format!("chmod 600 {shown}"))
            }
            SecretFileError::TooLarge { .. } => {
                (format!("names {shown}, which holds over 64 KiB"), "put the secret alone in it".to_owned())
            }
            SecretFileError::ByteOrderMark { .. } => (
                format!("names {shown}, which begins with a byte order mark"),
                format!("write it without: sed -i '1s/^\\xEF\\xBB\\xBF//' {shown}"),
            ),
            SecretFileError::NotText { .. } => {
                (format!("names {shown}, which is not text"), "write the secret in UTF-8".to_owned())
            }
            SecretFileError::Empty { .. } => {
                (format!("names {shown}, which is empty"), "put the secret in it".to_owned())
            }
        };
        Wrong { wrong, right }
    })
}

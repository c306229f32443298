//! The paths of our endpoints, below that of `public_url` and in the router's spelling, each written once: routes,
//! reserved ids and the check of configured paths share them.

use crate::service::ServiceId;

macro_rules! paths {
    ($($(#[$about:meta])* $name:ident = $path:literal;)*) => {
        $($(#[$about])* pub const $name: &str = $path;)*
        /// Every path at which an endpoint of ours stands, whatever the configuration says.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

paths! {
    /// The relay's own page.
    HOME = "/";
    /// A file of the pages.
    STATIC = "/static/{name}";
    /// A message for the default application.
    IDP = "/idp";
    /// A message for one application.
    IDP_APP = "/idp/{app}";
    /// The answer to the confirmation page.
    CONFIRM = "/idp/confirm";
    /// The exchange of a reference.
    CLAIM = "/idp/claim";
    /// The end of the session, for one application.
    LOGOUT_APP = "/logout/{app}";
    /// Our public keys for one upstream.
    JWKS = "/upstream/{name}/jwks";
}

/// Where an upstream sends browsers after a login, unless the configuration names another path.
pub const CALLBACK: &str = "/callback/{upstream}";
/// Where an upstream sends browsers after a logout, unless the configuration names another path.
pub const LOGOUT_RETURN: &str = "/logout/return/{upstream}";

/// Why a word cannot be the id of an application.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAppId {
    /// It does not fit.
    #[error("an application id is [a-z0-9][a-z0-9_-]{{0,63}}")]
    Grammar,
    /// An endpoint of ours stands where the application's would.
    #[error("{word:?} is a word of our own path {path}")]
    Reserved {
        /// The word.
        word: String,
        /// The path that has it.
        path: &'static str,
    },
}

/// Takes `id` for an application.
pub fn app_id(id: &str) -> Result<ServiceId, BadAppId> {
    match reserved_by(id) {
        Some(path) => Err(BadAppId::Reserved { word: id.to_owned(), path }),
        None => ServiceId::parse(id).ok_or(BadAppId::Grammar),
    }
}

/// The path that has `word` where another has `{app}`.
fn reserved_by(word: &str) -> Option<&'static str> {
    let beside = ALL.iter().filter_map(|path| path.strip_suffix("{app}"));
    beside.into_iter().find_map(|before| {
        let mut all = ALL.iter().chain([&CALLBACK, &LOGOUT_RETURN]);
        let has =
            |path: &&&str| path.strip_prefix(before).and_then(|rest| rest.split('/').next()) == Some(word);
        all.find(has).copied()
    })
}

/// The first segments of our own paths, beside which configured ones stand.
pub fn first_segments() -> impl Iterator<Item = &'static str> {
    let first = |path: &&'static str| path.split('/').nth(1).unwrap_or_default();
    let mut found: Vec<_> = ALL.iter().map(first).collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter()
}

/// Whether an endpoint of ours stands at `path`, which is below that of `public_url`.
pub fn has(path: &str) -> bool {
    ALL.iter().any(|pattern| named(pattern, path).is_some())
}

/// Whether `path` is one of `pattern`, byte for byte; what stands at its parameter, if it has one.
pub fn named<'p>(pattern: &str, path: &'p str) -> Option<Option<&'p str>> {
    let (mut expected, mut segments) = (pattern.split('/'), path.split('/'));
    let mut found = None;
    loop {
        match (expected.next(), segments.next()) {
            (None, None) => return Some(found),
            (Some(parameter), Some(segment)) if parameter.starts_with('{') => {
                found = Some(segment).filter(|segment| is_plain(segment));
                found?;
            }
            (Some(word), Some(segment)) if word == segment => {}
            _ => return None,
        }
    }
}

/// A segment that means itself: no percent sign, no dot segment.
fn is_plain(segment: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !segment.is_empty() && segment.len() <= 64 && segment.bytes().all(plain) && !segment.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_beside_an_application_are_reserved() {
        for (word, path) in [("claim", CLAIM), ("confirm", CONFIRM), ("return", LOGOUT_RETURN)] {
            assert_eq!(app_id(word), Err(BadAppId::Reserved { word: word.to_owned(), path }));
        }
        for free in ["idp", "logout", "static", "upstream", "callback", "jwks", "confirmer", "app"] {
            assert!(app_id(free).is_ok(), "{free}");
        }
        assert_eq!(app_id("Compta"), Err(BadAppId::Grammar));
    }

    #[test]
    fn a_path_is_compared_as_it_is() {
        assert_eq!(named(IDP_APP, "/idp/compta"), Some(Some("compta")));
        assert_eq!(named(IDP, "/idp"), Some(None));
        for other in ["/idp/", "/idp/a/b", "/idp/%61", "//idp", "/idp/..", "/IDP/a"] {
            assert_eq!(named(IDP_APP, other), None, "{other}");
        }
        assert!(has("/") && has("/upstream/fc/jwks") && !has("/callback/fc"));
        assert_eq!(first_segments().collect::<Vec<_>>(), ["", "idp", "logout", "static", "upstream"]);
    }
}

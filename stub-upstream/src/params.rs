//! Request parameters (RFC 6749, appendix B): `application/x-www-form-urlencoded`, in a query or a body.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use url::form_urlencoded;

/// The parameters in the order they came.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The parameters of a body, if its type says that it has any.
    pub(crate) fn form(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/x-www-form-urlencoded").then(|| Self::parse(body))
    }

    /// Only those that `known` lists, and of each the first.
    pub(crate) fn only(&self, known: &[&str]) -> Self {
        let mut kept: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.0 {
            if known.contains(&name.as_str()) && !kept.iter().any(|(other, _)| other == name) {
                kept.push((name.clone(), value.clone()));
            }
        }
        Self(kept)
    }

    /// As they came, for the journal.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        self.0.clone()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A value that says something: RFC 6749, section 3.1, treats an empty one as absent.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// A parameter that came twice (RFC 6749, section 3.1: must not).
    pub(crate) fn repeated(&self) -> Option<&str> {
        let twice = |name: &str| self.names().filter(|other| *other == name).count() > 1;
        self.names().find(|name| twice(name))
    }

    /// The values of a space-separated list.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        self.get(name)
            .unwrap_or_default()
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

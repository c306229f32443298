//! KIF's callback prefix, made one exact callback: scheme, host, port, path, and the query keys allowed.

use url::Url;

use crate::legacy::CallbackRule;

/// One callback of the application.
pub(super) struct Imported {
    /// Scheme, host, port and path.
    pub(super) url: String,
    /// The query keys that the prefix names.
    pub(super) query_keys: Vec<String>,
    /// Why a human must look at it; none where the prefix meant one address.
    pub(super) doubts: Vec<String>,
}

/// Imports a prefix, `written` being its own text: KIF compared text.
pub(super) fn import(prefix: &Url, written: &str, relay_on_loopback: bool) -> Imported {
    let mut doubts = Vec::new();
    let mut url = prefix.clone();
    url.set_query(None);
    url.set_fragment(None);
    if prefix.query().is_none() {
        doubts.push(unsafe_prefix(prefix, written));
    }
    if prefix.fragment().is_some() {
        doubts
            .push("The prefix holds a fragment, which no server ever receives; it was left out.".to_owned());
    }
    if !prefix.username().is_empty() || prefix.password().is_some() {
        doubts.push("The prefix holds a user name or a password, which no callback may.".to_owned());
    }
    if url.scheme() == "http" && CallbackRule::new(url.as_str(), Vec::new(), relay_on_loopback).is_err() {
        doubts.push(
            "The prefix is plain http; identities leave the relay by https only, so https is written here. The \
             application must name its https address in its messages too."
                .to_owned(),
        );
        let _ = url.set_scheme("https");
    }
    let query_keys = query_keys(prefix.query().unwrap_or_default(), &mut doubts);
    if let Err(error) = CallbackRule::new(url.as_str(), query_keys.clone(), relay_on_loopback) {
        doubts.push(format!("The relay does not take this callback: {error}."));
    }
    Imported { url: url.into(), query_keys, doubts }
}

fn unsafe_prefix(prefix: &Url, written: &str) -> String {
    if prefix.path() == "/" {
        let host = prefix.host_str().unwrap_or_default();
        let elsewhere = if written.ends_with('/') {
            format!("any page of {host}")
        } else {
            format!("{written}.evil.example/… and {written}@evil.example/…, which are other people's hosts")
        };
        format!(
            "UNSAFE IN KIF: the prefix is a bare origin, so KIF also sent identities to {elsewhere}. The relay \
             needs the application's exact callback: complete the path."
        )
    } else {
        format!(
            "UNSAFE IN KIF: the prefix does not end in \"?\", so KIF also sent identities to {written}.evil?… and \
             whatever else begins so. The relay takes exactly this path: check that it is the whole one."
        )
    }
}

/// The keys that a prefix fixes in the query.
fn query_keys(query: &str, doubts: &mut Vec<String>) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        let Some((key, _)) = piece.split_once('=') else {
            doubts.push(format!("The prefix ends within the query key {piece:?}: name the whole key."));
            continue;
        };
        if key != "state" && key != "nonce" && !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    }
    if !keys.is_empty() {
        doubts.push(format!(
            "The prefix fixed the beginning of the query, {query:?}. The relay takes these keys with any value: \
             check that the application does not rely on the value."
        ));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imported(written: &str) -> Imported {
        import(&Url::parse(written).unwrap(), written, false)
    }

    #[test]
    fn a_prefix_that_ends_in_a_question_mark_is_one_address() {
        let callback = imported("https://app.example:8443/cgi/identite.cgi?");
        assert_eq!(callback.url, "https://app.example:8443/cgi/identite.cgi");
        assert!(callback.query_keys.is_empty() && callback.doubts.is_empty());
        assert!(imported("https://app.example/?").doubts.is_empty());
    }

    #[test]
    fn keys_in_the_prefix_are_allowed() {
        let callback = imported("https://app.example/p?vue=1&lang=fr&state=");
        assert_eq!(callback.query_keys, ["vue", "lang"]);
        assert_eq!(callback.doubts.len(), 1);
        assert_eq!(imported("https://app.example/p?vu").doubts.len(), 1);
    }

    #[test]
    fn an_unsafe_prefix_is_doubted() {
        for (written, says) in [
            ("https://app.example", "https://app.example.evil.example/"),
            ("https://app.example/", "any page of app.example"),
            ("https://app.example/cb", "https://app.example/cb.evil?"),
            ("http://app.example/cb?", "plain http"),
            ("http://localhost/cb?", "plain http"),
            ("https://app.example/cb?PHPSESSID=", "session id"),
            ("https://u@app.example/cb?", "user name"),
        ] {
            let doubts = imported(written).doubts.join(" ");
            assert!(doubts.contains(says), "{written}: {doubts}");
        }
        let loopback = "http://127.0.0.1/cb?";
        assert!(import(&Url::parse(loopback).unwrap(), loopback, true).doubts.is_empty());
    }
}

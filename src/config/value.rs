//! How one value is read: each function takes what is written and says what is wrong with it.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use ipnet::IpNet;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use toml::Value;
use url::{Host, Url};

use crate::clock::Timestamp;

/// A value as written. What comes from the environment is text, whatever it means.
pub(super) struct Raw<'a> {
    /// The value.
    pub(super) value: &'a Value,
    /// Whether it comes from the environment.
    pub(super) env: bool,
}

/// What is wrong with a value, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) wrong: String,
    pub(super) right: String,
}

impl Wrong {
    pub(super) fn new(wrong: &str, right: &str) -> Self {
        Self { wrong: wrong.to_owned(), right: right.to_owned() }
    }

    fn kind(raw: &Raw<'_>, right: &str) -> Self {
        let is = if raw.env { "a text that does not fit" } else { article(raw.value) };
        Self { wrong: format!("is {is}"), right: right.to_owned() }
    }
}

/// The kind of a value, with its article.
pub(super) fn article(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a number",
        Value::Float(_) => "a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// One line of text, not empty.
pub(super) fn text(raw: &Raw<'_>) -> Result<String, Wrong> {
    let text = raw.value.as_str().ok_or_else(|| Wrong::kind(raw, "write one text, in quotes"))?;
    if text.trim().is_empty() {
        return Err(Wrong::new("is empty", "write a text, or leave the key out"));
    }
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("holds control characters", "write one line"));
    }
    Ok(text.to_owned())
}

/// `true` or `false`.
pub(super) fn boolean(raw: &Raw<'_>) -> Result<bool, Wrong> {
    let parsed = match raw.value {
        Value::Boolean(value) => Some(*value),
        Value::String(text) if raw.env => text.parse().ok(),
        _ => None,
    };
    parsed.ok_or_else(|| Wrong::kind(raw, "write true or false"))
}

/// A whole number within `range`.
pub(super) fn whole<T>(range: RangeInclusive<T>) -> impl FnOnce(&Raw<'_>) -> Result<T, Wrong>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    move |raw| {
        let right = format!("write a whole number from {} to {}", range.start(), range.end());
        let number = match raw.value {
            Value::Integer(number) => Some(*number),
            Value::String(text) if raw.env => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| Wrong::kind(raw, &right))?;
        let fits = T::try_from(number).ok().filter(|number| range.contains(number));
        fits.ok_or(Wrong { wrong: format!("is {number}"), right })
    }
}

/// One text or a list of them, not empty, none twice.
pub(super) fn texts(raw: &Raw<'_>) -> Result<Vec<String>, Wrong> {
    let list = match raw.value {
        Value::Array(list) => list.as_slice(),
        value => std::slice::from_ref(value),
    };
    let list: Vec<_> = list.iter().map(|value| text(&Raw { value, ..*raw })).collect::<Result<_, _>>()?;
    if list.is_empty() {
        return Err(Wrong::new("is empty", "name one at least, or leave the key out"));
    }
    if let Some(twice) = list.iter().enumerate().find_map(|(i, a)| list.iter().skip(i + 1).find(|b| a == *b))
    {
        return Err(Wrong { wrong: format!("names {twice:?} twice"), right: "name it once".to_owned() });
    }
    Ok(list)
}

/// One of a closed list of names.
pub(super) fn choice<T: Copy>(list: &[(&str, T)]) -> impl FnOnce(&Raw<'_>) -> Result<T, Wrong> {
    move |raw| {
        let names: Vec<_> = list.iter().map(|(name, _)| *name).collect();
        let all = format!("write one of {}", names.join(", "));
        let name = raw.value.as_str().ok_or_else(|| Wrong::kind(raw, &all))?;
        let found = list.iter().find_map(|(known, value)| (*known == name).then_some(*value));
        found.ok_or_else(|| Wrong {
            wrong: format!("{name:?} is unknown"),
            right: nearest(name, &names).map_or(all, |near| format!("did you mean {near:?}?")),
        })
    }
}

/// Networks, or single addresses.
pub(super) fn networks(raw: &Raw<'_>) -> Result<Vec<IpNet>, Wrong> {
    if raw.value.as_array().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let parse = |text: String| {
        let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match network {
            None => Err(Wrong {
                wrong: format!("{text:?} is no network"),
                right: "write addresses or networks, such as \"10.0.0.7\" or \"10.0.0.0/24\"".to_owned(),
            }),
            Some(all) if all.prefix_len() == 0 => Err(Wrong {
                wrong: format!("{text:?} believes whoever calls"),
                right: "name the proxies".to_owned(),
            }),
            Some(network) => Ok(network),
        }
    };
    texts(raw)?.into_iter().map(parse).collect()
}

/// An IP address and a port.
pub(super) fn address(raw: &Raw<'_>) -> Result<SocketAddr, Wrong> {
    const RIGHT: &str = "write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
    let written = text(raw)?;
    written
        .parse()
        .map_err(|_| Wrong { wrong: format!("{written:?} is no address"), right: RIGHT.to_owned() })
}

/// An instant (RFC 3339), as text or as TOML writes it.
pub(super) fn instant(raw: &Raw<'_>) -> Result<Timestamp, Wrong> {
    const RIGHT: &str = "write a date with time and offset, such as \"2027-01-31T23:59:59Z\"";
    let written = match raw.value {
        Value::String(text) => text.clone(),
        Value::Datetime(date) => date.to_string(),
        _ => return Err(Wrong::kind(raw, RIGHT)),
    };
    let parsed = OffsetDateTime::parse(&written, &Rfc3339).ok();
    let seconds = parsed.and_then(|date| u64::try_from(date.unix_timestamp()).ok());
    seconds
        .map(Timestamp::from_seconds)
        .ok_or_else(|| Wrong { wrong: format!("{written:?} is no instant"), right: RIGHT.to_owned() })
}

/// An absolute URL that people or machines may call: https, or http to this machine; no user name, no
/// fragment.
pub(super) fn web_url(raw: &Raw<'_>) -> Result<Url, Wrong> {
    const RIGHT: &str = "write an absolute https URL (http only to this machine)";
    let written = text(raw)?;
    let url = Url::parse(&written).map_err(|_| Wrong::new("is no absolute URL", RIGHT))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("holds a user name or a password", RIGHT));
    }
    if url.fragment().is_some() {
        return Err(Wrong::new("holds a fragment", "leave out what follows the #"));
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if on_loopback(&url) => Ok(url),
        scheme => Err(Wrong { wrong: format!("is {scheme}"), right: RIGHT.to_owned() }),
    }
}

/// The same, without a query.
pub(super) fn plain_url(raw: &Raw<'_>) -> Result<Url, Wrong> {
    let url = web_url(raw)?;
    if url.query().is_some() {
        return Err(Wrong::new("holds a query", "leave out what follows the ?"));
    }
    Ok(url)
}

/// Whether a URL's host is this machine.
pub(super) fn on_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The name among `known` that was probably meant.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let near = known.iter().map(|known| (distance(name, known), *known)).min_by_key(|(far, _)| *far);
    near.filter(|(far, known)| *far <= (known.len() / 3).clamp(1, 3)).map(|(_, known)| known)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, pair) in b.chars().zip(row.windows(2)) {
            let (diagonal, above) = (pair.first().copied(), pair.last().copied());
            let replaced = diagonal.unwrap_or(usize::MAX - 1) + usize::from(x != y);
            left = replaced.min(above.unwrap_or(usize::MAX - 1) + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(value: &Value) -> Raw<'_> {
        Raw { value, env: false }
    }

    fn env(value: &Value) -> Raw<'_> {
        Raw { value, env: true }
    }

    #[test]
    fn the_environment_writes_everything_as_text() {
        assert_eq!(whole(1..=9)(&env(&Value::from("7"))), Ok(7));
        assert_eq!(boolean(&env(&Value::from("true"))), Ok(true));
        assert_eq!(texts(&env(&Value::from("a b"))).unwrap(), ["a b"]);
        assert!(whole(1..=9)(&raw(&Value::from("7"))).is_err());
        assert!(boolean(&raw(&Value::from("true"))).is_err());
    }

    #[test]
    fn numbers_have_bounds_that_are_said() {
        let wrong = whole(1..=9)(&raw(&Value::from(10))).unwrap_err();
        assert_eq!(
            (wrong.wrong.as_str(), wrong.right.as_str()),
            ("is 10", "write a whole number from 1 to 9")
        );
        assert!(whole(1u16..=9)(&raw(&Value::from(-1))).is_err());
    }

    #[test]
    fn a_url_leaves_this_machine_only_by_https() {
        for good in ["https://a.example/x", "http://127.0.0.1:1/", "http://[::1]/", "http://localhost:8080"] {
            assert!(web_url(&raw(&Value::from(good))).is_ok(), "{good}");
        }
        for bad in ["http://a.example", "ftp://a.example", "a.example", "https://u@a.example", "https://a/#b"]
        {
            assert!(web_url(&raw(&Value::from(bad))).is_err(), "{bad}");
        }
    }

    #[test]
    fn whoever_trusts_everyone_trusts_nobody() {
        assert!(networks(&raw(&Value::from("0.0.0.0/0"))).is_err());
        let nets = networks(&raw(&Value::from("10.0.0.7"))).unwrap();
        assert_eq!(nets, ["10.0.0.7/32".parse::<IpNet>().unwrap()]);
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["client_id", "client_auth", "issuer"];
        assert_eq!(nearest("clientid", &known), Some("client_id"));
        assert_eq!(nearest("isuer", &known), Some("issuer"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}

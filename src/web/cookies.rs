//! The cookies of a request (RFC 6265, section 4.2), read once and byte by byte.
//!
//! Nothing is decoded, folded or trimmed but SP and HTAB around a pair, so that a name has one spelling. A sibling
//! domain may set a name that a laxer reader takes for ours: such a pair is passed over, and said.

use axum::http::{HeaderMap, HeaderValue, header};

use super::{browser, session};
use crate::app::Rules;

/// What the cookies of one request say to us.
#[derive(Clone, Default)]
pub(super) struct Cookies {
    /// The value of the session cookie.
    pub session: Option<String>,
    /// The value of the browser cookie.
    pub browser: Option<String>,
    /// Whether one of our names stands there twice with two values: then somebody else writes one of them.
    pub twice: bool,
    /// Our name that another name resembles without being it.
    pub near: Option<String>,
    /// How many pairs there are, those of others included.
    pub count: usize,
    /// How long the fields are together, in bytes.
    pub bytes: usize,
}

impl Cookies {
    /// Reads the cookies under the names that `rules` give ours.
    pub(super) fn read(rules: &Rules, headers: &HeaderMap) -> Self {
        let mut cookies = Self::default();
        if !headers.contains_key(header::COOKIE) {
            return cookies;
        }
        let names = [session::name(rules), browser::name(rules)];
        for field in headers.get_all(header::COOKIE) {
            cookies.bytes += field.len();
            for pair in field.as_bytes().split(|&byte| byte == b';').map(trim) {
                if !pair.is_empty() {
                    cookies.count += 1;
                    cookies.take(&names, pair);
                }
            }
        }
        cookies
    }

    /// Each pair stands for itself: what is not ASCII costs that pair, and no other.
    fn take(&mut self, [session, browser]: &[String; 2], pair: &[u8]) {
        let mut parts = pair.splitn(2, |&byte| byte == b'=');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { return };
        let slot = if name == session.as_bytes() {
            &mut self.session
        } else if name == browser.as_bytes() {
            &mut self.browser
        } else {
            let near = [session, browser].into_iter().find(|ours| resembles(name, ours));
            self.near = near.cloned().or(self.near.take());
            return;
        };
        if let Some(value) = std::str::from_utf8(value).ok().filter(|value| value.is_ascii()) {
            self.twice |= slot.replace(value.to_owned()).is_some_and(|former| former != value);
        }
    }

    /// What the library of the session cookie gets to read: our one pair, if its value is one that we may have
    /// written. That library decodes and trims, and what it finds here means itself.
    pub(super) fn clean_session(&self, rules: &Rules) -> Option<HeaderValue> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let value = self.session.as_ref().filter(|value| !value.is_empty() && value.bytes().all(plain))?;
        HeaderValue::try_from(format!("{}={value}", session::name(rules))).ok()
    }
}

/// Without SP and HTAB at both ends.
fn trim(pair: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let from = pair.iter().position(|byte| !blank(byte)).unwrap_or(pair.len());
    let to = pair.iter().rposition(|byte| !blank(byte)).map_or(from, |last| last + 1);
    pair.get(from..to).unwrap_or_default()
}

/// Whether a laxer reader would take `name` for `ours`: in another case, percent-encoded, or with blanks and signs
/// around and within that nobody sees.
fn resembles(name: &[u8], ours: &str) -> bool {
    if name.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'%') {
        return name.eq_ignore_ascii_case(ours.as_bytes());
    }
    let decoded = percent_decoded(name);
    let seen = String::from_utf8_lossy(&decoded);
    let seen: String = seen.chars().filter(char::is_ascii_graphic).collect();
    seen.eq_ignore_ascii_case(ours)
}

fn percent_decoded(name: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = tail.split_at_checked(2).filter(|_| byte == b'%');
        let mut value = [0];
        match escaped {
            Some((digits, after)) if hex::decode_to_slice(digits, &mut value).is_ok() => {
                decoded.extend(value);
                rest = after;
            }
            _ => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &[u8]) -> Cookies {
        let names = ["__Host-relais", "__Host-relais-browser"].map(str::to_owned);
        let mut cookies = Cookies::default();
        for pair in field.split(|&byte| byte == b';').map(trim) {
            cookies.take(&names, pair);
        }
        cookies
    }

    #[test]
    fn each_pair_is_read_by_itself_and_as_it_is() {
        let field = "nom=Ang\u{e9}la;__Host-relais=a%41 ;\t__Host-relais-browser=b=c; x; =y";
        let cookies = read(field.as_bytes());
        assert_eq!(cookies.session.as_deref(), Some("a%41"));
        assert_eq!(cookies.browser.as_deref(), Some("b=c"));
        assert!(!cookies.twice && cookies.near.is_none());
        assert!(read(b"__Host-relais=a; __Host-relais=b").twice);
        assert!(!read(b"__Host-relais=a; __Host-relais=a").twice);
        assert_eq!(read(b"__Host-relais=\xe9; __Host-relais=b").session.as_deref(), Some("b"));
    }

    #[test]
    fn near_spellings_are_not_ours() {
        for near in [
            "%5F%5FHost-relais=a",
            "%5f%5fHost%2Drelais=a",
            "__host-relais=a",
            "__HOST-RELAIS=a",
            "\u{a0}__Host-relais=a",
            "__Host-relais\u{2003}=a",
            "__Host-\u{200b}relais=a",
            "__Host-relais =a",
            "__Host-relais\t=a",
        ] {
            let cookies = read(near.as_bytes());
            assert!(cookies.session.is_none(), "{near:?}");
            assert_eq!(cookies.near.as_deref(), Some("__Host-relais"), "{near:?}");
        }
        for other in ["relais=a", "__Host-relais2=a", "%zz=a", "%=a", "%5=a", "Host-relais=a"] {
            let cookies = read(other.as_bytes());
            assert!(cookies.session.is_none() && cookies.near.is_none(), "{other:?}");
        }
    }
}

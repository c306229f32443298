//! A Java `.properties` file: every pair with its line, and every fault at once.
//!
//! Our own because the crates for it decode lossily and stop at the first fault, while an operator must be
//! told of each line; and because half of what is read here are secrets, which are wiped.

use zeroize::Zeroizing;

use crate::config::Fault;
use crate::secret::Secret;

/// One pair.
pub(super) struct Property {
    /// Where it begins, from 1.
    pub(super) line: usize,
    /// The key.
    pub(super) key: String,
    /// The value, with the white space at its end, which Java keeps.
    pub(super) value: Secret<String>,
}

/// A fault of line `line`.
pub(super) fn fault(line: usize, wrong: impl Into<String>, right: impl Into<String>) -> Fault {
    Fault { path: format!("line {line}"), wrong: wrong.into(), right: right.into() }
}

/// Reads `bytes`: what could be read, and what could not.
pub(super) fn read(bytes: &[u8]) -> (Vec<Property>, Vec<Fault>) {
    let text = match decode(bytes) {
        Ok(text) => text,
        Err(fault) => return (Vec::new(), vec![fault]),
    };
    let (mut pairs, mut faults) = (Vec::new(), Vec::new());
    for (line, logical) in logical_lines(&text) {
        match pair(line, &logical) {
            Ok(pair) => pairs.push(pair),
            Err(fault) => faults.push(fault),
        }
    }
    (pairs, faults)
}

/// UTF-8 if it is that, else ISO-8859-1, which is what Java reads.
fn decode(bytes: &[u8]) -> Result<Zeroizing<String>, Fault> {
    const SAVE: &str = "save it as plain UTF-8 without a byte order mark";
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(fault(1, "begins as UTF-16 does, which Java does not read", SAVE));
    }
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        return Err(fault(1, "begins with a byte order mark, which Java takes for a part of the key", SAVE));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let before = bytes.iter().take(at).filter(|byte| **byte == b'\n').count();
        return Err(fault(before + 1, "holds a NUL byte: this is no text in UTF-8 or ISO-8859-1", SAVE));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    Ok(Zeroizing::new(text))
}

/// Lines without blank ones and comments, continued ones joined; each with the number of its first.
fn logical_lines(text: &str) -> Vec<(usize, Zeroizing<String>)> {
    // One ending only, so that lines are counted as editors do.
    let text = Zeroizing::new(text.replace("\r\n", "\n").replace('\r', "\n"));
    let mut lines = text.split('\n').enumerate();
    let mut logical = Vec::new();
    while let Some((index, first)) = lines.next() {
        let mut part = first.trim_start_matches(BLANK);
        if part.is_empty() || part.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = Zeroizing::new(String::new());
        while continued(part) {
            whole.push_str(part.get(..part.len() - 1).unwrap_or_default());
            let Some((_, next)) = lines.next() else {
                part = "";
                break;
            };
            part = next.trim_start_matches(BLANK);
        }
        whole.push_str(part);
        logical.push((index + 1, whole));
    }
    logical
}

const BLANK: [char; 3] = [' ', '\t', '\u{c}'];

/// Whether an odd number of backslashes ends the line.
fn continued(line: &str) -> bool {
    (line.len() - line.trim_end_matches('\\').len()) % 2 == 1
}

fn pair(line: usize, text: &str) -> Result<Property, Fault> {
    let mut escaped = false;
    let end = text.find(|c: char| {
        let ends = !escaped && (BLANK.contains(&c) || c == '=' || c == ':');
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = text.split_at(end.unwrap_or(text.len()));
    let rest = rest.trim_start_matches(BLANK);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(BLANK);
    let key = unescape(line, key)?.to_string();
    Ok(Property { line, key, value: Secret::new(unescape(line, value)?.to_string()) })
}

fn unescape(line: usize, text: &str) -> Result<Zeroizing<String>, Fault> {
    // \u names halves of surrogate pairs, so the text is made of UTF-16 first.
    let mut units: Zeroizing<Vec<u16>> = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        let meant = match (c, escaped) {
            ('\\', Some('u')) => {
                let digits: String = chars.by_ref().take(4).collect();
                let hex = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| hex);
                let odd =
                    || fault(line, "holds \\u without four hexadecimal digits", "write four, as in \\u00e9");
                units.push(unit.ok_or_else(odd)?);
                continue;
            }
            ('\\', Some('t')) => '\t',
            ('\\', Some('n')) => '\n',
            ('\\', Some('r')) => '\r',
            ('\\', Some('f')) => '\u{c}',
            ('\\', Some(other)) => other,
            (plain, _) => plain,
        };
        units.extend_from_slice(meant.encode_utf16(&mut [0; 2]));
    }
    let lone = |_| fault(line, "holds half a surrogate pair", "write both halves, or the character itself");
    String::from_utf16(&units).map(Zeroizing::new).map_err(lone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &[u8]) -> Vec<(usize, String, String)> {
        let (pairs, faults) = read(text);
        assert_eq!(faults, []);
        pairs.into_iter().map(|pair| (pair.line, pair.key, pair.value.expose().clone())).collect()
    }

    fn one(text: &str) -> (String, String) {
        let (_, key, value) = pairs(text.as_bytes()).pop().unwrap();
        (key, value)
    }

    #[test]
    fn pairs_are_separated_as_java_does() {
        for text in ["a=b", "a:b", "a b", " a = b", "a\t:\u{c}b", "a  b", "\\a=b"] {
            assert_eq!(one(text), ("a".to_owned(), "b".to_owned()), "{text:?}");
        }
        assert_eq!(one("a==b"), ("a".to_owned(), "=b".to_owned()));
        assert_eq!(one("a = b "), ("a".to_owned(), "b ".to_owned()));
        assert_eq!(one("a\\=\\:c=\\u00e9\\uD83D\\uDE00\\n"), ("a=:c".to_owned(), "é😀\n".to_owned()));
        assert_eq!(one("a"), ("a".to_owned(), String::new()));
    }

    #[test]
    fn lines_are_counted_across_comments_endings_and_continuations() {
        let text = b"# one\r\n! two\\\r\n\r\na=1,\\\r\n   2,\\\n\t3\rb=\\\\\nc=4\\";
        let expected = [(4, "a", "1,2,3"), (7, "b", "\\"), (8, "c", "4")];
        assert_eq!(pairs(text), expected.map(|(line, key, value)| (line, key.to_owned(), value.to_owned())));
    }

    #[test]
    fn latin_1_is_read_where_it_is_no_utf_8() {
        assert_eq!(pairs(b"a=\xe9"), [(1, "a".to_owned(), "é".to_owned())]);
        assert_eq!(pairs("a=é".as_bytes()), [(1, "a".to_owned(), "é".to_owned())]);
    }

    #[test]
    fn every_broken_line_is_named() {
        let (pairs, faults) = read(b"a=\\u12\nb=1\nc=\\uD800\nd=\\uzzzz");
        assert_eq!(pairs.len(), 1);
        assert_eq!(
            faults.iter().map(|fault| fault.path.as_str()).collect::<Vec<_>>(),
            ["line 1", "line 3", "line 4"]
        );
        for bad in [&b"\xff\xfea\0"[..], b"\xef\xbb\xbfa=b", b"a=b\nc\0=d"] {
            assert_eq!(read(bad).1.len(), 1, "{bad:?}");
        }
    }
}

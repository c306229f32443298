//! A TOML text as it is written: keys, comments folded to the width of a page, and choices left open.

use std::fmt::Write as _;

use toml::Value;
use url::{Host, Url};

/// The width of a comment.
const WIDTH: usize = 108;

/// The text so far.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn section(&mut self, name: &str) {
        let _ = write!(self.0, "\n\n[{name}]\n");
    }

    pub(super) fn blank(&mut self) {
        self.0.push('\n');
    }

    /// A comment.
    pub(super) fn note(&mut self, text: &str) {
        self.fold("# ", "# ", text);
    }

    /// A comment that is one of a list.
    pub(super) fn item(&mut self, text: &str) {
        self.fold("#   - ", "#     ", text);
    }

    /// A line as it is, such as a command or a key that is commented out.
    pub(super) fn raw(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    pub(super) fn key(&mut self, key: &str, value: impl Into<Value>) {
        let _ = writeln!(self.0, "{key} = {}", value.into());
    }

    /// A choice that only a human can make; `check-config` refuses the key by its name.
    pub(super) fn unsettled(&mut self, what: &str) {
        self.key(&format!("unsettled_{what}"), "decide as said above, then delete this line");
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn fold(&mut self, first: &str, next: &str, text: &str) {
        let mut line = first.to_owned();
        let mut empty = true;
        for word in text.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.raw(&line);
                next.clone_into(&mut line);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.raw(&line);
    }
}

/// A text between quotes, as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// `url` by https, unless it is on this machine.
pub(super) fn https(url: &str) -> String {
    let on_loopback = Url::parse(url).is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    });
    match url.strip_prefix("http://").filter(|_| !on_loopback) {
        Some(rest) => format!("https://{rest}"),
        None => url.to_owned(),
    }
}

/// `text` as one word of a shell; none where a comment could not hold it.
pub(super) fn shell_word(text: &str) -> Option<String> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    // What begins with a hyphen would be an option.
    let text = if text.starts_with('-') { format!("./{text}") } else { text.to_owned() };
    Some(if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut page = Page::default();
        page.section("a");
        page.note(&"word ".repeat(60));
        page.item(&"word ".repeat(60));
        page.key("b", "quote \" backslash \\ apostrophe '");
        page.unsettled("c");
        let text = page.finish();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["a"]["b"].as_str(), Some("quote \" backslash \\ apostrophe '"));
        assert!(table["a"].get("unsettled_c").is_some());
        assert_eq!(quoted("x"), "\"x\"");
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        for (path, word) in [
            ("config.properties", Some("config.properties")),
            ("/etc/kif 2/été.properties", Some("'/etc/kif 2/été.properties'")),
            ("it's $HOME", Some("'it'\\''s $HOME'")),
            ("-x", Some("./-x")),
            ("a\nb", None),
            ("", None),
        ] {
            assert_eq!(shell_word(path).as_deref(), word, "{path:?}");
        }
    }
}

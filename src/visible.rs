//! Texts of others as people may see them: what steers a terminal, breaks a line or turns the direction of writing has no
//! effect, and shows.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Whether a character is not seen and changes how others are: of the general categories `Cf`, `Zl` and `Zp` (UAX 44).
pub fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Whether a character has no place in a line of the log: a control character, one that is hidden, or a blank that is
/// none of ours (`Cc`, `Cf`, `Z`).
pub fn is_odd(c: char) -> bool {
    c.is_control() || is_hidden(c) || (c.is_whitespace() && c != ' ')
}

/// Writes what stands for an odd character: nobody mistakes it for something else.
pub fn mark(c: char, out: &mut (impl Write + ?Sized)) -> fmt::Result {
    if c.is_control() { out.write_char('\u{fffd}') } else { write!(out, "‹U+{:04X}›", u32::from(c)) }
}

/// The text with a mark for each hidden character.
pub fn marked(text: &str) -> Cow<'_, str> {
    // Most texts have none, and that is quickly seen.
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        let _ = if is_hidden(c) { mark(c, &mut shown) } else { shown.write_char(c) };
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_shows() {
        assert_eq!(marked("Zoé\u{202e}x\u{e0041}"), "Zoé‹U+202E›x‹U+E0041›");
        assert_eq!(marked("Zoé N'Diaye\u{a0}李"), "Zoé N'Diaye\u{a0}李");
        for odd in
            ['\u{0}', '\u{1b}', '\u{85}', '\u{a0}', '\u{ad}', '\u{2028}', '\u{2029}', '\u{2066}', '\u{3000}']
        {
            assert!(is_odd(odd), "{odd:?}");
        }
        assert!(!" é李-'_".chars().any(is_odd));
    }
}

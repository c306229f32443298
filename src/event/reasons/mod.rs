//! Why something failed: the closed list, one file per area.
//!
//! Each row has a stable code and slug, a level, the cause in French and English, and what the operator can do.

pub mod broker;
pub mod legacy;
pub mod server;
pub mod upstream;

use super::Level;

/// One row of the list.
#[derive(Debug)]
pub struct Row {
    /// Stable code: a letter for the area, three digits.
    pub code: &'static str,
    /// Stable slug: area, dot, cause.
    pub slug: &'static str,
    /// How much it matters.
    pub level: Level,
    /// The cause, in French.
    pub fr: &'static str,
    /// The cause, in English.
    pub en: &'static str,
    /// What to do about it, in English.
    pub advice: &'static str,
}

/// A reason from the list.
#[derive(Clone, Copy, Debug)]
pub struct Reason(pub(in crate::event::reasons) &'static Row);

impl Reason {
    /// Its stable code, e.g. `L006`.
    pub fn code(self) -> &'static str {
        self.0.code
    }

    /// Its stable slug.
    pub fn slug(self) -> &'static str {
        self.0.slug
    }

    /// How much it matters.
    pub fn level(self) -> Level {
        self.0.level
    }

    /// The whole row.
    pub fn row(self) -> &'static Row {
        self.0
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        self.0.code == other.0.code
    }
}

impl Eq for Reason {}

/// Every reason, area after area.
pub fn all() -> impl Iterator<Item = Reason> {
    [legacy::ALL, broker::ALL, upstream::ALL, server::ALL].into_iter().flatten().copied()
}

/// Writes one area's rows and its list.
macro_rules! reasons {
    ($($name:ident = $code:literal, $slug:literal, $level:ident, $fr:literal, $en:literal, $advice:literal;)*) => {
        $(
            #[doc = $en]
            pub const $name: $crate::event::Reason = $crate::event::reasons::Reason($crate::event::reasons::row!($code, $slug, $level, $fr, $en, $advice));
        )*
        /// The reasons of this area.
        pub const ALL: &[$crate::event::Reason] = &[$($name),*];
    };
}

macro_rules! row {
    ($code:literal, $slug:literal, $level:ident, $fr:literal, $en:literal, $advice:literal) => {
        &$crate::event::reasons::Row {
            code: $code,
            slug: $slug,
            level: $crate::event::Level::$level,
            fr: $fr,
            en: $en,
            advice: $advice,
        }
    };
}

use {reasons, row};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn codes_and_slugs_are_unique_and_every_column_is_filled() {
        let mut seen = HashSet::new();
        for reason in super::all() {
            let row = reason.row();
            assert!(seen.insert(row.code), "{} twice", row.code);
            assert!(seen.insert(row.slug), "{} twice", row.slug);
            assert!(row.slug.contains('.'), "{}", row.slug);
            for text in [row.fr, row.en, row.advice] {
                assert!(!text.is_empty(), "{} has an empty column", row.code);
            }
        }
    }
}

//! `[keys]`: the root seal key, and how the others succeed one another.

use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::secrets::{self, Names};
use crate::config::file::{Section, variable};
use crate::config::value::{Wrong, whole};
use crate::config::{Durable, SealKey, Store};
use crate::keys::Policy;
use crate::secret::Secret;

/// What the section says.
pub(super) struct Keys {
    pub(super) seal_key: Option<SealKey>,
    pub(super) other_seal_key: Option<Secret<[u8; 32]>>,
    pub(super) policy: Policy,
}

pub(super) fn keys(section: Section<'_>, base: &Path, store: &Store) -> Keys {
    let seal_key = seal_key(&section, base, store);
    let other_seal_key = other_seal_key(&section, base, seal_key.as_ref());
    let rotate = section.or("rotate_days", 90, whole(0..=1_825_u64));
    let announce = section.or("announce_hours", 48, whole(1..=720_u64));
    let overlap = section.or("overlap_days", 7, whole(1..=90_u64));
    if rotate > 0 && announce >= rotate * 24 {
        let right = "announce a key for less time than one is used";
        section.fault("announce_hours", Wrong::new("is not less than rotate_days", right));
    }
    section.finish();
    let hours = |count: u64| Duration::from_secs(count * 3600);
    let policy = Policy {
        rotate: (rotate > 0).then(|| hours(rotate * 24)),
        announce: hours(announce),
        overlap: hours(overlap * 24),
    };
    Keys { seal_key, other_seal_key, policy }
}

/// The root seal key; by default beside the SQLite file, and where several nodes may share what is durable,
/// always given.
fn seal_key(section: &Section<'_>, base: &Path, store: &Store) -> Option<SealKey> {
    const NAMES: Names = Names { direct: "seal_key", file: "seal_key_file" };
    if section.has(NAMES.direct) || section.has(NAMES.file) {
        return given(section, &NAMES, base).map(SealKey::Given);
    }
    if store.durable == Durable::Postgres {
        let variable = variable(&section.path_of(NAMES.direct));
        let right = format!(
            "name a file of mode 0600 with the key of all nodes (`openssl rand -hex 32`), or set {variable}"
        );
        let wrong = "is missing, and store.durable = \"postgres\" needs it".to_owned();
        section.fault(NAMES.file, Wrong { wrong, right });
        return None;
    }
    Some(SealKey::Beside(store.path.with_extension("key")))
}

/// The former root key, or the next.
fn other_seal_key(
    section: &Section<'_>,
    base: &Path,
    seal_key: Option<&SealKey>,
) -> Option<Secret<[u8; 32]>> {
    const NAMES: Names = Names { direct: "other_seal_key", file: "other_seal_key_file" };
    let other = given(section, &NAMES, base)?;
    let right = match seal_key {
        Some(SealKey::Given(key)) if *key == other => "name the former key, or the next one, or leave it out",
        Some(SealKey::Beside(path)) if !path.exists() => "name the present key in `seal_key_file` too",
        _ => return Some(other),
    };
    section.fault(at(section, &NAMES), Wrong::new("is not another key than the present one", right));
    None
}

/// A root key that an operator gives.
fn given(section: &Section<'_>, names: &Names, base: &Path) -> Option<Secret<[u8; 32]>> {
    let text = secrets::optional(section, names, base)?;
    let mut key = Zeroizing::new([0; 32]);
    if hex::decode_to_slice(text.expose().trim(), key.as_mut_slice()).is_err() {
        let right = "write 64 hexadecimal digits (`openssl rand -hex 32`)";
        section.fault(at(section, names), Wrong::new("is no key", right));
    }
    Some(Secret::new(*key))
}

/// The name that gave a secret.
fn at(section: &Section<'_>, names: &Names) -> &'static str {
    if section.has(names.direct) { names.direct } else { names.file }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::tests::{faults, place, read, secret};
    use crate::keys::Policy;
    use crate::secret::Secret;

    fn with(lines: &str) -> String {
        include_str!("../../../config/relais.toml").replace("\n[keys]\n", &format!("\n[keys]\n{lines}\n"))
    }

    #[test]
    fn another_root_key_is_a_key_and_another() {
        let dir = place();
        let (one, two) = ("0a".repeat(32), "0B".repeat(32));
        for (name, text) in [("one.key", &one), ("two.key", &two), ("no.key", &"0a".repeat(31))] {
            secret(dir.path(), name, text);
        }
        let told = |lines: &str| faults(&with(lines), dir.path(), &[]);
        assert_eq!(told("seal_key_file = \"one.key\"\nother_seal_key_file = \"two.key\""), "");
        let config =
            read(&with("seal_key_file = \"one.key\""), dir.path(), &[("RELAIS_KEYS__OTHER_SEAL_KEY", &two)]);
        assert!(config.unwrap_or_else(|f| panic!("{f}")).other_seal_key == Some(Secret::new([0x0b; 32])));
        assert_eq!(
            told("seal_key_file = \"one.key\"\nother_seal_key_file = \"one.key\""),
            "keys.other_seal_key_file: is not another key than the present one; name the former key, or the next \
             one, or leave it out"
        );
        assert!(
            told("other_seal_key_file = \"one.key\"").contains("name the present key in `seal_key_file` too")
        );
        assert!(told("seal_key_file = \"one.key\"\nother_seal_key_file = \"no.key\"").contains("is no key"));
    }

    #[test]
    fn how_keys_succeed_one_another() {
        let dir = place();
        let policy = |lines: &str| read(&with(lines), dir.path(), &[]).unwrap_or_else(|f| panic!("{f}")).keys;
        assert_eq!(policy(""), Policy::default());
        let days = |days: u64| Duration::from_hours(24 * days);
        assert_eq!(
            policy("rotate_days = 30\nannounce_hours = 24\noverlap_days = 3"),
            Policy { rotate: Some(days(30)), announce: days(1), overlap: days(3) }
        );
        assert_eq!(policy("rotate_days = 0").rotate, None);
        let fault = |lines: &str| faults(&with(lines), dir.path(), &[]);
        assert_eq!(
            fault("rotate_days = 2"),
            "keys.announce_hours: is not less than rotate_days; announce a key for less time than one is used"
        );
        for line in ["rotate_days = 2000", "announce_hours = 0", "overlap_days = 0", "overlap_days = 91"] {
            assert!(fault(line).starts_with("keys."), "{line}");
        }
    }
}

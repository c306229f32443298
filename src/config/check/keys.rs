//! `[keys]`: the root seal key, and how the others succeed one another.

use std::path::Path;
use std::time::Duration;

use super::secrets::{self, Names};
use crate::config::file::{Section, variable};
use crate::config::value::{Wrong, whole};
use crate::config::{Durable, SealKey, Store};
use crate::keys::Policy;
use crate::secret::Secret;

pub(super) fn keys(section: Section<'_>, base: &Path, store: &Store) -> (Option<SealKey>, Policy) {
    let seal_key = seal_key(&section, base, store);
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
    (seal_key, policy)
}

/// The root seal key; by default beside the SQLite file, and where several nodes may share what is durable,
/// always given.
fn seal_key(section: &Section<'_>, base: &Path, store: &Store) -> Option<SealKey> {
    const NAMES: Names = Names { direct: "seal_key", file: "seal_key_file" };
    let given = section.has(NAMES.direct) || section.has(NAMES.file);
    let secret = secrets::optional(section, &NAMES, base);
    match secret {
        None if given => None,
        None if store.durable == Durable::Postgres => {
            let variable = variable(&section.path_of(NAMES.direct));
            let right = format!(
                "name a file of mode 0600 with the key of all nodes (`openssl rand -hex 32`), or set {variable}"
            );
            let wrong = "is missing, and store.durable = \"postgres\" needs it".to_owned();
            section.fault(NAMES.file, Wrong { wrong, right });
            None
        }
        None => Some(SealKey::Beside(store.path.with_extension("key"))),
        Some(text) => {
            let mut key = [0; 32];
            if hex::decode_to_slice(text.expose().trim(), &mut key).is_err() {
                let at = if section.has(NAMES.direct) { NAMES.direct } else { NAMES.file };
                let right = "write 64 hexadecimal digits (`openssl rand -hex 32`)";
                section.fault(at, Wrong::new("is no key", right));
            }
            Some(SealKey::Given(Secret::new(key)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::tests::{faults, place, read};
    use crate::keys::Policy;

    fn with(lines: &str) -> String {
        include_str!("../../../config/relais.toml").replace("\n[keys]\n", &format!("\n[keys]\n{lines}\n"))
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

//! `[keys]`: the root seal key, and how the others succeed one another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::secrets::{self, Names};
use crate::config::SealKey;
use crate::config::file::Section;
use crate::config::value::{Wrong, whole};
use crate::keys::Policy;
use crate::secret::Secret;

pub(super) fn keys(section: Section<'_>, base: &Path, store: &Path) -> (Option<SealKey>, Policy) {
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

/// The root seal key; by default beside the SQLite file `store`.
fn seal_key(section: &Section<'_>, base: &Path, store: &Path) -> Option<SealKey> {
    const NAMES: Names = Names { direct: "seal_key", file: "seal_key_file" };
    let given = section.has(NAMES.direct) || section.has(NAMES.file);
    let secret = secrets::optional(section, &NAMES, base);
    let key = match secret {
        None if given => None,
        None => Some(SealKey::Beside(beside(store))),
        Some(text) => {
            let mut key = [0; 32];
            if hex::decode_to_slice(text.expose().trim(), &mut key).is_err() {
                let at = if section.has(NAMES.direct) { NAMES.direct } else { NAMES.file };
                let right = "write 64 hexadecimal digits (`openssl rand -hex 32`)";
                section.fault(at, Wrong::new("is no key", right));
            }
            Some(SealKey::Given(Secret::new(key)))
        }
    };
    key
}

fn beside(store: &Path) -> PathBuf {
    store.with_extension("key")
}

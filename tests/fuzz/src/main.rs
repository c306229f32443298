//! libFuzzer around one of the targets: the one that `RELAIS_FUZZ` names.

#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8]) -> bool> = LazyLock::new(|| {
    let wanted = std::env::var("RELAIS_FUZZ").unwrap_or_default();
    let found = relais_fuzz::TARGETS.iter().find(|(name, _)| *name == wanted);
    found.unwrap_or_else(|| panic!("RELAIS_FUZZ names no target: {wanted:?}")).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    TARGET(data);
});

//! The corpus of the fuzz targets, replayed: what was found once stays found.

use std::fs;
use std::panic::catch_unwind;

#[path = "../fuzz/src/targets.rs"]
mod targets;

#[test]
fn every_input_of_the_corpus() {
    for (name, target) in targets::TARGETS {
        let (mut accepted, mut refused) = (0, 0);
        for entry in fs::read_dir(format!("tests/fuzz/corpus/{name}")).unwrap() {
            let path = entry.unwrap().path();
            let data = fs::read(&path).unwrap();
            match catch_unwind(|| target(&data)) {
                Ok(true) => accepted += 1,
                Ok(false) => refused += 1,
                Err(what) => panic!("{}: {what:?}", path.display()),
            }
        }
        assert!(accepted > 2 && refused > 2, "{name}: {accepted} accepted, {refused} refused");
    }
}

//! The files that the pages need. A file's name changes with its content, so browsers may keep it.

use std::sync::LazyLock;

use crate::crypto::hash::sha256;

pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("relais", "css", "text/css; charset=utf-8", include_bytes!("../../static/relais.css")));
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../../static/icon.svg")));

/// One file.
pub(super) struct Asset {
    name: String,
    kind: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, bytes: &'static [u8]) -> Self {
        let digest = sha256(&[bytes]);
        let version = hex::encode(digest.first_chunk::<6>().copied().unwrap_or_default());
        Self { name: format!("{stem}-{version}.{ending}"), kind, bytes }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// The file of this name: its content type and its bytes.
pub fn asset(name: &str) -> Option<(&'static str, &'static [u8])> {
    [&*STYLE, &*ICON].into_iter().find(|asset| asset.name() == name).map(|asset| (asset.kind, asset.bytes))
}

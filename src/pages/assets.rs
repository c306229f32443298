//! The static files, inside the binary. Their addresses carry a digest of the content, so that they may be
//! cached for long and still change with a release.

const STYLESHEET: &[u8] = include_bytes!("../../static/relais.css");
const ICON: &[u8] = include_bytes!("../../static/icon.svg");

const STYLESHEET_VERSION: u64 = version(STYLESHEET);
const ICON_VERSION: u64 = version(ICON);

/// The content type and the bytes of the static file at `path`, below the root of the public URL and without
/// its query.
pub fn asset(path: &str) -> Option<(&'static str, &'static [u8])> {
    match path {
        "/static/relais.css" => Some(("text/css; charset=utf-8", STYLESHEET)),
        "/static/icon.svg" => Some(("image/svg+xml", ICON)),
        _ => None,
    }
}

pub(super) fn stylesheet_url(root: &str) -> String {
    format!("{root}/static/relais.css?v={STYLESHEET_VERSION:016x}")
}

pub(super) fn icon_url(root: &str) -> String {
    format!("{root}/static/icon.svg?v={ICON_VERSION:016x}")
}

/// FNV-1a, 64 bits: it tells one release from another and guards nothing, and runs while compiling.
const fn version(mut bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    while let [first, rest @ ..] = bytes {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        bytes = rest;
    }
    hash
}

//! Single-use handles, and what each is bound to: whoever brings one must be whom it was made for, at the step that it
//! was made for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::hash::{HmacKey, sha256};
use crate::entropy::Entropy;
use crate::login::{BrowserId, Hex, LoginId};
use crate::secret::{Secret, same};

/// A single-use handle as it travels through a browser: the id of the record that it leads to, and a secret of 128
/// bits. No `Debug`.
#[derive(Clone, Copy)]
pub struct Handle {
    id: LoginId,
    secret: [u8; 16],
}

/// What the handles of pages are made with; derived from the root seal key, so that all nodes have the same.
#[derive(Clone)]
pub struct HandleKey(HmacKey);

impl HandleKey {
    /// From its bytes.
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        Self(HmacKey::new(key.expose()))
    }
}

/// The digest of a handle, by which its record knows it again.
pub type HandleDigest = Hex<32>;

impl Handle {
    /// A fresh handle to the record `id`.
    pub fn new(id: LoginId, entropy: &dyn Entropy) -> Self {
        Self { id, secret: entropy.bytes() }
    }

    /// The handle of a page of `browser` about the record `id`. It can be told from a forged one when the record is gone.
    pub fn for_page(id: LoginId, browser: BrowserId, key: &HandleKey) -> Self {
        let tag = key.0.sha256(&[b"page\0", id.as_bytes().as_slice(), browser.as_bytes()]);
        Self { id, secret: tag.first_chunk().copied().unwrap_or_default() }
    }

    /// The handle of a page that asks `browser` whether to end its session; it can be told likewise.
    pub fn for_logout(browser: BrowserId, entropy: &dyn Entropy, key: &HandleKey) -> Self {
        Self::of_question(LoginId::new(entropy.bytes()), browser, key)
    }

    fn of_question(id: LoginId, browser: BrowserId, key: &HandleKey) -> Self {
        let tag = key.0.sha256(&[b"logout\0", id.as_bytes().as_slice(), browser.as_bytes()]);
        Self { id, secret: tag.first_chunk().copied().unwrap_or_default() }
    }

    /// Whether [`Self::for_logout`] made it, for this browser.
    pub fn asks_to_end(&self, browser: BrowserId, key: &HandleKey) -> bool {
        same(&self.secret, &Self::of_question(self.id, browser, key).secret)
    }

    /// Whether [`Self::for_page`] made it, for this browser.
    pub fn is_made_for(&self, browser: BrowserId, key: &HandleKey) -> bool {
        same(&self.secret, &Self::for_page(self.id, browser, key).secret)
    }

    /// Reads 64 lower-case hexadecimal digits or 43 base64url characters; `None` where it is no handle.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        match text.len() {
            64 if text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) => {
                hex::decode_to_slice(text, &mut bytes).ok()?;
            }
            43 => bytes = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?,
            _ => return None,
        }
        let (id, secret) = bytes.split_first_chunk::<16>()?;
        Some(Self { id: LoginId::new(*id), secret: secret.try_into().ok()? })
    }

    /// The record that it leads to.
    pub fn id(&self) -> LoginId {
        self.id
    }

    /// What its record knows it by.
    pub fn digest(&self) -> HandleDigest {
        Hex(sha256(&[b"relais handle\0", self.id.as_bytes(), &self.secret]))
    }

    /// All its bytes, to be spelled as its reader wants it.
    pub fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let parts = self.id.as_bytes().iter().chain(&self.secret);
        bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = *part);
        bytes
    }

    /// As 43 base64url characters (RFC 4648, section 5).
    pub fn base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes())
    }
}

/// Whom a handle was made for, and who brings it: the same type, so that nothing is forgotten in the comparison.
pub struct Binding<'a> {
    /// The browser; none where it sent no cookie of ours.
    pub browser: Option<BrowserId>,
    /// The other party: the upstream that the browser comes from, or the application whose page it was.
    pub party: Option<&'a str>,
}

/// Why a handle is not taken from whoever brings it. Nothing is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbound {
    /// The browser sent no cookie of ours.
    NoCookie,
    /// It was made for another browser.
    OtherBrowser,
    /// It was made for another upstream or application.
    OtherParty,
    /// It is good for no step any more, or was never: the record has gone on.
    OtherStep,
}

impl Binding<'_> {
    /// Whether what was made for `self`, as `known`, may be taken by whoever brings `handle` as `other`.
    pub fn admits(&self, known: &HandleDigest, handle: &Handle, other: &Binding<'_>) -> Result<(), Misbound> {
        let brought = other.browser.ok_or(Misbound::NoCookie)?;
        if self.browser != Some(brought) {
            return Err(Misbound::OtherBrowser);
        }
        if self.party != other.party {
            return Err(Misbound::OtherParty);
        }
        if same(&known.0, &handle.digest().0) { Ok(()) } else { Err(Misbound::OtherStep) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_handle_is_read_in_both_spellings_and_in_no_other() {
        let handle = Handle::new(LoginId::new([7; 16]), &SystemEntropy::new());
        for text in [handle.base64url(), hex::encode(handle.bytes())] {
            let read = Handle::parse(&text).unwrap();
            assert_eq!((read.id(), read.digest()), (handle.id(), handle.digest()));
        }
        let upper = hex::encode_upper(handle.bytes());
        for text in
            ["", "state", &upper, &format!("{}=", handle.base64url()), &"A".repeat(42), &"é".repeat(32)]
        {
            assert!(Handle::parse(text).is_none(), "{text}");
        }
        let other = Handle::new(handle.id(), &SystemEntropy::new());
        assert_ne!(other.digest(), handle.digest(), "the secret counts");
    }

    #[test]
    fn a_handle_is_taken_only_with_what_it_was_made_with() {
        let handle = Handle::new(LoginId::new([7; 16]), &SystemEntropy::new());
        let other = Handle::new(LoginId::new([7; 16]), &SystemEntropy::new());
        let binding =
            |browser: Option<u8>, party| Binding { browser: browser.map(|b| BrowserId::new([b; 32])), party };
        let made = binding(Some(1), Some("fc"));
        let known = handle.digest();
        let admits = |brought: &Handle, by: Binding<'_>| made.admits(&known, brought, &by);
        assert_eq!(admits(&handle, binding(Some(1), Some("fc"))), Ok(()));
        assert_eq!(admits(&handle, binding(None, Some("fc"))), Err(Misbound::NoCookie));
        assert_eq!(admits(&handle, binding(Some(2), Some("fc"))), Err(Misbound::OtherBrowser));
        assert_eq!(admits(&handle, binding(Some(1), Some("oidc"))), Err(Misbound::OtherParty));
        assert_eq!(admits(&handle, binding(Some(1), None)), Err(Misbound::OtherParty));
        assert_eq!(admits(&other, binding(Some(1), Some("fc"))), Err(Misbound::OtherStep));
    }
}

//! Who a person is, whichever registration vouches for them: what decides whose session a browser has.

use crate::crypto::hash::sha256;
use crate::identity::Identity;
use crate::login::Hex;
use crate::store::OwnerRef;
use crate::upstream::Upstream;

/// A person: the digest of a namespace of subjects and the subject in it. Two registrations vouch for one person where
/// both are equal.
pub type Person = Hex<32>;

/// `person` as the owner of records.
pub fn owner(person: &Person) -> OwnerRef<'_> {
    OwnerRef::from(("person", person.0.as_slice()))
}

/// The person whom `upstream` calls by the subject of `identity`.
pub fn person(upstream: &Upstream, identity: &Identity) -> Person {
    let namespace = upstream.settings().subject_namespace.as_bytes();
    Hex(sha256(&[b"relais person\0", namespace, &[0], identity.subject.as_str().as_bytes()]))
}

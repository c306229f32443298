//! FranceConnect+: FranceConnect v2 for the levels `eidas2` and `eidas3`. `id_token` and userinfo are signed by
//! ES256, then encrypted for the relay; as `id_token_hint` it takes the signed one inside.
//!
//! A level above the one that was asked may come back; `birthdate` may be partial (`1992-00-00`), and a person from
//! another country of the Union has a `birthplace` in free text or none. All of it is delivered as it came.

use super::super::{Alg, UserinfoKind};
use super::{Profile, Signer, franceconnect_v2};

pub(super) const PROFILE: Profile = Profile {
    name: "franceconnect_plus",
    about: "FranceConnect+: `eidas2` and `eidas3`, everything encrypted",
    levels: &["eidas2", "eidas3"],
    default_acr: Some("eidas2"),
    userinfo: UserinfoKind::EncryptedJwt,
    signer: Signer::Provider(&[Alg::Es256]),
    secret_may_sign: false,
    encrypted: true,
    ..franceconnect_v2::PROFILE
};

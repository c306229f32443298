//! Primitives, each behind one small function: callers never choose an algorithm by a string.

pub mod alg;
pub mod cbc;
pub mod fresh;
pub mod hash;
pub mod json;
pub mod jwe;
pub mod jwk;
pub mod jwks;
pub mod jws;
pub mod jwt;
pub mod pem;
pub mod seal;

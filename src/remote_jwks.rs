//! remote_jwks.

//! A national identity provider for developers without one: it speaks OpenID Connect the way such providers
//! do, with invented people, and breaks it on demand.
//!
//! [`Stub`] is the whole simulator, to be served in-process ([`Stub::router`]) or as a program ([`serve`]).
//!
//! - vocabulary: [`clock`], [`persona`], [`fault`], [`client`]
//! - means: `chance`, `keys`, `shelf` (codes, tokens, sessions), `params`
//! - [`profiles`]: how one provider differs from another; a file each, and a line in the list
//! - `endpoints`: one file each; `pages`: what a person sees
//! - `stub`: what holds them together; [`cli`]: the program

mod chance;
pub mod cli;
pub mod client;
pub mod clock;
mod endpoints;
pub mod fault;
mod grant;
mod keys;
mod pages;
mod params;
pub mod persona;
pub mod profiles;
mod serve;
mod shelf;
mod stub;

pub use client::Client;
pub use clock::{Clock, HandClock, SystemClock};
pub use fault::{FAULTS, Fault};
pub use keys::Alg;
pub use persona::{Persona, Personas};
pub use profiles::{PROFILES, Profile};
pub use serve::serve;
pub use stub::{BuildError, Builder, Calls, Stub};

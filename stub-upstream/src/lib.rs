//! A national identity provider for developers without one: it speaks OpenID Connect the way such providers
//! do, with invented people, and breaks it on demand.
//!
//! [`Stub`] is the whole simulator, to be served in-process ([`Stub::router`]) or as a program ([`serve`]).
//!
//! - vocabulary: [`clock`], [`persona`], [`fault`], [`client`], [`scenario`]
//! - means: `chance`, `keys`, `jwk` and `jwe` (clients' keys), `shelf` (codes, tokens, sessions), `params`, `request`
//! - [`profiles`]: how one provider differs from another; a file each, and a line in the list
//! - `space`: what one test may change without another one noticing; `journal`: what happened
//! - `endpoints`: one file each, the control API among them; `pages`: what a person sees
//! - `stub` and `builder`: what holds them together; [`cli`]: the program

mod builder;
mod chance;
pub mod cli;
pub mod client;
pub mod clock;
mod endpoints;
mod error_login;
pub mod fault;
mod grant;
mod journal;
mod jwe;
mod jwk;
mod keys;
mod pages;
mod params;
pub mod persona;
pub mod profiles;
mod request;
pub mod scenario;
mod serve;
mod shelf;
mod space;
mod stub;
mod twist;

pub use builder::{BuildError, Builder};
pub use client::Client;
pub use clock::{Clock, HandClock, SystemClock};
pub use fault::{FAULTS, Fault, Stage};
pub use keys::Alg;
pub use persona::{Persona, Personas};
pub use profiles::{PROFILES, Profile};
pub use scenario::Scenario;
pub use serve::serve;
pub use stub::{Calls, Stub};
pub use twist::{Instead, Part, Twist};

//! `relais`: an identity broker between national identity providers and the applications that need their
//! users.
//!
//! The modules stand in the order of their imports: each names only those above it. `legacy`, `upstream` and
//! the provider to come never name each other; the `broker` carries a login between them.

// Vocabulary: plain data, no I/O.
pub mod clock; // time as an argument
pub mod entropy; // chance as an argument
pub mod secret; // values that are never printed
pub mod peer; // who calls
pub mod identity; // who came back from an upstream
pub mod service; // what one application may ask and receive
pub mod login; // what every module calls a login in flight by
pub mod paths; // where our endpoints stand, each path once
pub mod visible; // texts of others as people may see them
pub mod message; // the sentences that a stranger may read
pub mod event; // what an operator may need, said once
pub mod outcome; // what came of a login that failed

// Means.
pub mod crypto; // primitives: seals, digests, signatures
pub mod store; // everything that must be remembered
pub mod limit; // counters on our clock
pub mod outbound; // the one way out
pub mod remote_jwks; // other people's keys
pub mod keys; // our own keys: the root seal key, and the keyring sealed under it

// Protocols: strangers to one another.
pub mod legacy; // encrypted messages of applications without a protocol library
pub mod upstream; // the relay as relying party

// Journey.
pub mod broker; // carries a login between the protocols

// Fronts: each joins one application protocol to the broker; strangers to one another.
pub mod front;
pub mod records; // every kind of record, in one list

// Edge.
pub mod config; // the file as written, its faults, and the real types
pub mod import; // other brokers' configurations, made ours
pub mod pages; // HTML, pure functions
pub mod app; // the only wiring
pub mod web; // the public listener
pub mod reload; // another configuration while it serves
pub mod console; // the management listener
pub mod process; // stores opened, listeners bound, signals obeyed
#[cfg(feature = "demo")]
pub mod demo; // the demo applications, `relais demo` and `relais bench`
pub mod cli; // the command line

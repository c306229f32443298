//! The simulator driven through its router: the code flow of each profile, and every way to break it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests"
)]

mod authorize;
mod control;
mod docs;
mod fault_catalogue;
mod faults;
mod franceconnect_plus;
mod franceconnect_v1;
mod harness;
mod inspector;
mod logout;
mod namespaces;
mod pages;
mod personas;
mod proconnect;
mod scenario;
mod serving;
mod token;

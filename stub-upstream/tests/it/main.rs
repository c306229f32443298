//! The simulator driven through its router: the code flow of each profile, and every way to break it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests"
)]

mod authorize;
mod faults;
mod franceconnect_v1;
mod harness;
mod logout;
mod pages;
mod serving;
mod token;

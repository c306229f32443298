//! Why there is no answer, told apart by what an operator does about it.

use std::error::Error;
use std::io;

use super::OutboundError;

/// What kept a call from its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The address may not be called.
    Address,
    /// The host's name does not resolve.
    Name,
    /// Nothing listens there, or a firewall says no.
    Refused,
    /// TLS: the certificate, the name in it, or no TLS at all.
    Tls,
    /// Another fault of the connection.
    Connection,
    /// The time was up.
    Timeout,
    /// The answer is too long, encoded or no HTTP.
    Answer,
}

impl OutboundError {
    /// What kept the call from its answer.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Address => Cause::Address,
            Self::Unreachable(error) => of_connection(error),
            Self::Broken(_) | Self::TooLarge | Self::Encoded => Cause::Answer,
            Self::Timeout(_) => Cause::Timeout,
        }
    }
}

fn of_connection(error: &(dyn Error + 'static)) -> Cause {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return Cause::Refused;
        }
        if error.is::<rustls::Error>() {
            return Cause::Tls;
        }
        // The connector's own type has no name outside of it.
        if error.to_string().starts_with("dns error") {
            return Cause::Name;
        }
        // What such an error wraps is not its source, which is its content's source.
        let wrapped = io.and_then(io::Error::get_ref).map(|inner| inner as &(dyn Error + 'static));
        next = wrapped.or_else(|| error.source());
    }
    Cause::Connection
}

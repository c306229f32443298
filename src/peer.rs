//! Who is at the other end of a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The caller, as the acceptor or a trusted proxy tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Address of the caller.
    pub address: IpAddr,
    /// Source port of the caller; 0 where a trusted proxy does not tell it.
    pub port: u16,
    /// `User-Agent`, at most 256 characters, control characters replaced.
    pub user_agent: Option<String>,
}

impl Peer {
    /// A caller known only by its socket address.
    pub fn at(socket: SocketAddr) -> Self {
        Self { address: socket.ip().to_canonical(), port: socket.port(), user_agent: None }
    }

    /// The prefix that stands for one subscriber in limits: an IPv4 address, or an IPv6 /56.
    pub fn prefix(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - 56))))
            }
        }
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0, user_agent: None }
    }
}

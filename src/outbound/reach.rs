//! How near a host is, as far as its name or address says. Nothing is resolved.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// From where a host can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine alone.
    Machine,
    /// A private network, a link, or nowhere.
    Network,
    /// Everywhere.
    World,
}

impl Reach {
    /// Of a URL's host.
    pub fn of(url: &Url) -> Self {
        match url.host() {
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                if name == "localhost" || name.ends_with(".localhost") { Self::Machine } else { Self::World }
            }
            Some(Host::Ipv4(address)) => v4(address),
            Some(Host::Ipv6(address)) => v6(address),
            None => Self::World,
        }
    }
}

fn v4(address: Ipv4Addr) -> Reach {
    let [first, second, ..] = address.octets();
    // 0.0.0.0 is this machine, too.
    if address.is_loopback() || first == 0 {
        return Reach::Machine;
    }
    // RFC 6598: a carrier's own.
    let shared = first == 100 && (64..128).contains(&second);
    let near = address.is_private() || address.is_link_local() || shared;
    if near || address.is_multicast() || address.is_broadcast() { Reach::Network } else { Reach::World }
}

fn v6(address: Ipv6Addr) -> Reach {
    // ::ffff:0:0/96, and what RFC 6052 translates.
    let [.., a, b] = address.segments();
    if let Some(mapped) = address.to_ipv4_mapped() {
        return v4(mapped);
    }
    if address.segments().starts_with(&[0x64, 0xff9b, 0, 0, 0, 0]) {
        return v4(Ipv4Addr::from_bits(u32::from(a) << 16 | u32::from(b)));
    }
    if address.is_loopback() || address.is_unspecified() {
        return Reach::Machine;
    }
    let near = address.is_unique_local() || address.is_unicast_link_local() || address.is_multicast();
    if near { Reach::Network } else { Reach::World }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_reached_from_where() {
        for (host, reach) in [
            ("localhost", Reach::Machine),
            ("LOCALHOST.", Reach::Machine),
            ("a.localhost", Reach::Machine),
            ("127.1", Reach::Machine),
            ("0x7f000001", Reach::Machine),
            ("0.0.0.0", Reach::Machine),
            ("[::1]", Reach::Machine),
            ("[::]", Reach::Machine),
            ("[::ffff:127.0.0.1]", Reach::Machine),
            ("[64:ff9b::7f00:1]", Reach::Machine),
            ("10.1.2.3", Reach::Network),
            ("172.31.0.1", Reach::Network),
            ("192.168.1.1", Reach::Network),
            ("169.254.169.254", Reach::Network),
            ("100.64.0.1", Reach::Network),
            ("[fd00::1]", Reach::Network),
            ("[fe80::1]", Reach::Network),
            ("[::ffff:10.0.0.1]", Reach::Network),
            ("172.32.0.1", Reach::World),
            ("198.51.100.7", Reach::World),
            ("[2001:db8::1]", Reach::World),
            ("idp.example", Reach::World),
            ("localhost.example", Reach::World),
        ] {
            let url = Url::parse(&format!("https://{host}/token")).unwrap();
            assert_eq!(Reach::of(&url), reach, "{host}");
        }
    }
}

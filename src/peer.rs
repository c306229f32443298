//! Who is at the other end of a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

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

    /// This caller, or whom it speaks for if it is a trusted proxy: the right-most address of `X-Forwarded-For` that
    /// is not itself one. Reading stops at the first entry that is no address (`unknown`, a name), since whatever
    /// stands left of it may be the caller's own invention; then the proxy that wrote it is the caller. Nothing is
    /// resolved.
    #[must_use]
    pub fn forwarded(mut self, headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Self {
        let fields = headers.get_all("x-forwarded-for").iter().rev();
        // A field that is no text is an entry that is no address.
        let mut entries = fields.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',')).take(32);
        while is_trusted(self.address)
            && let Some((address, port)) = entries.next().and_then(entry)
        {
            (self.address, self.port) = (address, port);
        }
        self
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

/// An address with or without its port: `192.0.2.7`, `192.0.2.7:51008`, `2001:db8::7`, `[2001:db8::7]:51008`.
fn entry(text: &str) -> Option<(IpAddr, u16)> {
    let text = text.trim();
    let alone = || {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = bare.map_or_else(|| text.parse().ok(), |v6| v6.parse().ok().map(IpAddr::V6))?;
        Some((address, 0))
    };
    let with_port = || text.parse().ok().map(|socket: SocketAddr| (socket.ip(), socket.port()));
    let (address, port) = alone().or_else(with_port)?;
    Some((address.to_canonical(), port))
}

/// A network to which an address belongs, and its share of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// What it is: an owner's tag.
    pub tag: &'static str,
    /// The network's address, the rest zero: the owner's identifier.
    pub address: Vec<u8>,
    /// Into how many parts the room is divided of which it may have one.
    pub divisor: usize,
}

/// Each width with its tag and divisor, the narrowest first. The wider, the more, so that one network's greed does not
/// use up its provider's share.
const IPV4: [(u8, &str, usize); 2] = [(24, "ipv4/24", 64), (16, "ipv4/16", 4)];
const IPV6: [(u8, &str, usize); 3] = [(56, "ipv6/56", 64), (48, "ipv6/48", 16), (32, "ipv6/32", 4)];

/// Whether an owner of this tag is a network.
pub fn is_prefix(tag: &str) -> bool {
    IPV4.iter().chain(&IPV6).any(|(_, known, _)| *known == tag)
}

impl Peer {
    /// The networks at which the address counts, the narrowest first; the widest alone where one of `large` has it,
    /// as an operator says of a carrier's address translation.
    pub fn prefixes(&self, large: &[IpNet]) -> Vec<Prefix> {
        let widths: &[_] = if self.address.is_ipv4() { &IPV4 } else { &IPV6 };
        let is_large = large.iter().any(|network| network.contains(&self.address));
        let skipped = if is_large { widths.len() - 1 } else { 0 };
        let prefix = |&(width, tag, divisor): &(u8, &'static str, usize)| {
            let network = IpNet::new(self.address, width).ok()?.network();
            let address = match network {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            Some(Prefix { tag, address, divisor })
        };
        widths.iter().skip(skipped).filter_map(prefix).collect()
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0, user_agent: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The caller behind 10.0.0.1, where 10.0.0.0/24 is trusted.
    fn seen(fields: &[&[u8]]) -> (String, u16) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("x-forwarded-for", http::HeaderValue::from_bytes(field).unwrap());
        }
        let trusted = |address: IpAddr| address.to_string().starts_with("10.0.0.");
        let peer = Peer::at("10.0.0.1:443".parse().unwrap()).forwarded(&headers, trusted);
        (peer.address.to_string(), peer.port)
    }

    #[test]
    fn h1_the_right_most_that_is_no_proxy() {
        for (fields, address, port) in [
            (&[b"203.0.113.7".as_slice()] as &[&[u8]], "203.0.113.7", 0),
            (&[b"203.0.113.7:51008"], "203.0.113.7", 51_008),
            (&[b"2001:db8::7"], "2001:db8::7", 0),
            (&[b"[2001:db8::7]"], "2001:db8::7", 0),
            (&[b"[2001:db8::7]:51008"], "2001:db8::7", 51_008),
            (&[b"::ffff:203.0.113.7"], "203.0.113.7", 0),
            (&[b"192.0.2.1, 203.0.113.7, 10.0.0.9"], "203.0.113.7", 0),
            (&[b"192.0.2.1", b"203.0.113.7"], "203.0.113.7", 0),
            (&[], "10.0.0.1", 443),
        ] {
            assert_eq!(seen(fields), (address.to_owned(), port), "{fields:?}");
        }
    }

    #[test]
    fn h1_reading_stops_where_it_cannot_be_read() {
        for (fields, address) in [
            (&[b"203.0.113.7, unknown".as_slice()] as &[&[u8]], "10.0.0.1"),
            (&[b"203.0.113.7, unknown, 10.0.0.9"], "10.0.0.9"),
            (&[b"203.0.113.7, localhost"], "10.0.0.1"),
            (&[b"203.0.113.7, "], "10.0.0.1"),
            (&[b"203.0.113.7, [192.0.2.1]"], "10.0.0.1"),
            (&[b"203.0.113.7, 192.0.2.1:99999"], "10.0.0.1"),
            (&[b"203.0.113.7", b"\xff"], "10.0.0.1"),
        ] {
            assert_eq!(seen(fields).0, address, "{fields:?}");
        }
    }

    #[test]
    fn whom_nobody_trusts_says_what_it_likes() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", http::HeaderValue::from_static("203.0.113.7"));
        let peer = Peer::at("192.0.2.1:5".parse().unwrap());
        assert_eq!(peer.clone().forwarded(&headers, |_| false), peer);
    }

    fn prefixes(address: &str, large: &[&str]) -> Vec<(&'static str, String, usize)> {
        let large: Vec<IpNet> = large.iter().map(|network| network.parse().unwrap()).collect();
        let peer = Peer { address: address.parse().unwrap(), ..Peer::default() };
        let told = peer.prefixes(&large).into_iter();
        told.map(|prefix| (prefix.tag, hex::encode(prefix.address), prefix.divisor)).collect()
    }

    #[test]
    fn an_address_counts_at_each_width() {
        assert_eq!(
            prefixes("192.0.2.77", &["198.51.100.0/24"]),
            [("ipv4/24", "c0000200".to_owned(), 64), ("ipv4/16", "c0000000".to_owned(), 4)]
        );
        let rest = |head: &str| format!("{head:0<32}");
        assert_eq!(
            prefixes("2001:db8:1234:56ff::9", &[]),
            [
                ("ipv6/56", rest("20010db812345600"), 64),
                ("ipv6/48", rest("20010db81234"), 16),
                ("ipv6/32", rest("20010db8"), 4),
            ]
        );
    }

    #[test]
    fn an_address_of_a_large_network_counts_at_the_widest_alone() {
        assert_eq!(prefixes("192.0.2.77", &["192.0.2.0/25"]), [("ipv4/16", "c0000000".to_owned(), 4)]);
        assert_eq!(prefixes("192.0.2.177", &["192.0.2.0/25"]).len(), 2);
        assert_eq!(prefixes("2001:db8::1", &["192.0.2.0/25", "2001:db8::/32"]).len(), 1);
    }
}

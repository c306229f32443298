//! How many of something the networks of this world hold: no address more than its own number, and no network so many
//! that nothing is left for the others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// The lengths of prefixes that are counted. The narrowest stands for one subscriber, and has no more than the configured
/// number. Of what is free a wider one may hold one of so many parts.
const V4: [(u8, Option<usize>); 3] = [(32, None), (24, Some(8)), (16, Some(4))];
const V6: [(u8, Option<usize>); 3] = [(56, None), (48, Some(8)), (32, Some(4))];

/// Counts by network.
///
/// The share of a network shrinks as the whole fills, down to the floor, so that whoever comes new finds room.
pub(super) struct Shares {
    ceiling: usize,
    each: usize,
    floor: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: usize,
    networks: HashMap<(IpAddr, u8), usize>,
}

impl Shares {
    /// `ceiling` in all, `each` for one address, and `floor` for a network however little is free.
    pub(super) fn new(ceiling: usize, each: usize, floor: usize) -> Self {
        Self { ceiling, each, floor, held: Mutex::default() }
    }

    /// Counts one more of `address` for as long as the share lives, unless it or one of its networks holds too many.
    pub(super) fn take(&self, address: IpAddr) -> Result<Share<'_>, Over> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.ceiling.saturating_sub(held.all);
        for (network, parts) in networks(address) {
            let holds = held.networks.get(&network).copied().unwrap_or_default();
            let limit = parts.map_or(self.each, |parts| self.floor.max(free / parts));
            if holds >= limit {
                return Err(if parts.is_some() { Over::Network } else { Over::Address });
            }
        }
        held.all += 1;
        for (network, _) in networks(address) {
            *held.networks.entry(network).or_default() += 1;
        }
        Ok(Share { shares: self, address })
    }

    fn give_back(&self, address: IpAddr) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all -= 1;
        for (network, _) in networks(address) {
            if let Some(holds) = held.networks.get_mut(&network) {
                *holds -= 1;
                if *holds == 0 {
                    held.networks.remove(&network);
                }
            }
        }
    }
}

/// Who holds too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The address itself.
    Address,
    /// One of its networks.
    Network,
}

/// One that is counted; dropped with what it stands for, whatever ends that.
pub(super) struct Share<'a> {
    shares: &'a Shares,
    address: IpAddr,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.shares.give_back(self.address);
    }
}

/// The networks of an address, narrowest first, each with its parts.
fn networks(address: IpAddr) -> impl Iterator<Item = ((IpAddr, u8), Option<usize>)> {
    let lengths = if address.is_ipv4() { V4 } else { V6 };
    lengths.into_iter().map(move |(length, parts)| ((prefix(address, length), length), parts))
}

fn prefix(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or_default();
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or_default();
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as many as `addresses` are given.
    fn fill(shares: &Shares, addresses: impl Iterator<Item = IpAddr>) -> Vec<Share<'_>> {
        addresses.filter_map(|address| shares.take(address).ok()).collect()
    }

    fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    }

    #[test]
    fn an_address_has_its_number_and_its_neighbours_have_theirs() {
        let shares = Shares::new(4096, 256, 256);
        let one = fill(&shares, (0..1000).map(|_| v4(192, 0, 2, 1)));
        assert_eq!(one.len(), 256);
        assert!(shares.take(v4(192, 0, 2, 2)).is_ok());
        drop(one);
        let held = shares.held.lock().unwrap();
        assert!(held.all == 0 && held.networks.is_empty(), "nothing is left behind");
    }

    #[test]
    fn a_network_leaves_room_for_the_others() {
        let shares = Shares::new(4096, 256, 256);
        let _narrow = fill(&shares, (0..=255).cycle().take(5000).map(|last| v4(192, 0, 2, last)));
        assert!((256..512).contains(&shares.held.lock().unwrap().all), "an eighth of what is free");
        let wide = (0..=255).flat_map(|third| (0..=255).map(move |last| v4(192, 0, third, last)));
        let _wide = fill(&shares, wide);
        let held = shares.held.lock().unwrap().all;
        assert!((800..1024).contains(&held), "a quarter of what is free: {held}");
        assert!(shares.take(v4(198, 51, 100, 1)).is_ok());
        // A few more such networks do not close it either.
        let others = (1..=8)
            .flat_map(|first| (0..16).flat_map(move |third| (0..=255).map(move |n| v4(first, 0, third, n))));
        let _others = fill(&shares, others);
        assert!(shares.take(v4(198, 51, 100, 1)).is_ok());
    }

    /// What may stand still for long has a small floor: no few networks close it.
    #[test]
    fn whoever_comes_new_finds_room_when_others_stand_still() {
        let shares = Shares::new(2048, 256, 32);
        let of = |first: u8| {
            (0..=255)
                .flat_map(move |third| (0..4).map(move |last| v4(10, first, third, last)))
                .cycle()
                .take(2048)
        };
        let _held: Vec<_> = (0..8).flat_map(|first| fill(&shares, of(first))).collect();
        assert!(shares.take(v4(198, 51, 100, 1)).is_ok(), "{} are held", shares.held.lock().unwrap().all);
    }

    #[test]
    fn networks_of_ipv6() {
        let shares = Shares::new(4096, 256, 256);
        let within = |n: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | n));
        assert_eq!(fill(&shares, (0..1000).map(within)).len(), 256, "of one /56");
        let of_48 = fill(&shares, (0..5000).map(|n| within((n % 256) << 72)));
        assert!((256..512).contains(&of_48.len()), "of one /48: {}", of_48.len());
        drop(of_48);
        let of_32 = fill(&shares, (0..5000).map(|n| within(n << 80)));
        assert!((800..1024).contains(&of_32.len()), "of one /32: {}", of_32.len());
    }

    #[test]
    fn the_configured_number_is_a_promise() {
        let shares = Shares::new(64, 64, 64);
        assert_eq!(fill(&shares, (0..64).map(|_| v4(192, 0, 2, 1))).len(), 64);
    }
}

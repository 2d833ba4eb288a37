//! Networks: sorted ranges that do not overlap, one for each address family, searched by halving.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses and networks. An IPv4 address mapped into IPv6 (`::ffff:192.0.2.7`) is the IPv4 address.
#[derive(Debug, Default)]
pub struct NetSet {
    /// First and last address.
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl NetSet {
    /// The set of these networks: address and prefix length; bits behind the prefix do not matter.
    pub fn new(nets: impl IntoIterator<Item = (IpAddr, u8)>) -> Self {
        let mut set = Self::default();
        for (ip, prefix) in nets {
            match canonical(ip, prefix) {
                (IpAddr::V4(ip), prefix) => set.v4.push(range_v4(ip, prefix)),
                (IpAddr::V6(ip), prefix) => set.v6.push(range_v6(ip, prefix)),
            }
        }
        set.v4 = merge(set.v4, |last| last.checked_add(1));
        set.v6 = merge(set.v6, |last| last.checked_add(1));
        set
    }

    /// Whether an address is within one of the networks.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => covers(&self.v4, (ip.to_bits(), ip.to_bits())),
            IpAddr::V6(ip) => covers(&self.v6, (ip.to_bits(), ip.to_bits())),
        }
    }

    /// Whether all of a network is within the networks.
    pub fn contains_net(&self, ip: IpAddr, prefix: u8) -> bool {
        match canonical(ip, prefix) {
            (IpAddr::V4(ip), prefix) => covers(&self.v4, range_v4(ip, prefix)),
            (IpAddr::V6(ip), prefix) => covers(&self.v6, range_v6(ip, prefix)),
        }
    }

    /// How many ranges are left after overlapping and adjoining ones were merged.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// `192.0.2.7` or `192.0.2.0/24`; bits behind the prefix must be zero, since else a slip would go unseen.
pub(super) fn parse_entry(entry: &str) -> Result<(IpAddr, u8), String> {
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (entry, None),
    };
    let ip: IpAddr = address.parse().map_err(|_| format!("`{entry}` is no address or network"))?;
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let Some(prefix) = prefix else { return Ok((ip, bits)) };
    let length = prefix.parse().ok().filter(|length| *length <= bits);
    let length =
        length.ok_or_else(|| format!("`{entry}`: the prefix length is at most {bits}, not `{prefix}`"))?;
    let network = network(ip, length);
    if network == ip {
        Ok((ip, length))
    } else {
        Err(format!("`{entry}` has bits set behind its prefix; the network is {network}/{length}"))
    }
}

/// The address with all bits behind the prefix zero.
pub(super) fn network(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(range_v4(ip, prefix).0).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(range_v6(ip, prefix).0).into(),
    }
}

/// A network of mapped IPv4 addresses as an IPv4 network.
pub(super) fn canonical(ip: IpAddr, prefix: u8) -> (IpAddr, u8) {
    match (ip, ip.to_canonical()) {
        (IpAddr::V6(_), mapped @ IpAddr::V4(_)) if prefix >= 96 => (mapped, prefix - 96),
        _ => (ip, prefix),
    }
}

fn range_v4(ip: Ipv4Addr, prefix: u8) -> (u32, u32) {
    let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    (ip.to_bits() & !host, ip.to_bits() | host)
}

fn range_v6(ip: Ipv6Addr, prefix: u8) -> (u128, u128) {
    let host = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    (ip.to_bits() & !host, ip.to_bits() | host)
}

fn merge<T: Ord + Copy>(mut ranges: Vec<(T, T)>, next: impl Fn(T) -> Option<T>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    ranges.dedup_by(|range, before| {
        let touches = next(before.1).is_none_or(|next| range.0 <= next);
        if touches {
            before.1 = before.1.max(range.1);
        }
        touches
    });
    ranges.shrink_to_fit();
    ranges
}

fn covers<T: Ord + Copy>(ranges: &[(T, T)], (first, last): (T, T)) -> bool {
    let behind = ranges.partition_point(|range| range.0 <= first);
    behind.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|range| last <= range.1)
}

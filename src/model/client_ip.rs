//! The address of whoever is asking, in the one form that lists and limits compare.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A client address. IPv4-mapped IPv6 addresses are folded to IPv4 when it is made, so that
/// `::ffff:10.0.0.1` and `10.0.0.1` are the same client everywhere (F-06).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientIp(IpAddr);

impl ClientIp {
    /// What stands for an address that cannot be known: `0.0.0.0`, which no client has.
    pub const UNKNOWN: Self = Self(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));

    /// The canonical form of `ip`.
    #[must_use]
    pub fn new(ip: IpAddr) -> Self {
        Self(ip.to_canonical())
    }

    /// The address itself.
    #[must_use]
    pub fn addr(self) -> IpAddr {
        self.0
    }

    /// What rate limits count by: an IPv4 address alone, an IPv6 address by its /64, because one
    /// subscriber usually holds a whole /64 (F-11).
    #[must_use]
    pub fn bucket(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(v6) => {
                let s = v6.segments();
                IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
            }
        }
    }
}

impl fmt::Display for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_06_mapped_addresses_are_folded() {
        let mapped = ClientIp::new("::ffff:127.0.0.1".parse().unwrap());
        assert_eq!(mapped, ClientIp::new("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn f_11_one_bucket_per_64() {
        let a = ClientIp::new("2001:db8:1:2::1".parse().unwrap());
        let b = ClientIp::new("2001:db8:1:2:ffff::9".parse().unwrap());
        let c = ClientIp::new("2001:db8:1:3::1".parse().unwrap());
        assert_eq!(a.bucket(), b.bucket());
        assert_ne!(a.bucket(), c.bucket());
    }
}

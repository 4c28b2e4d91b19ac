//! What clients of the HTTP API may take, and whom the service believes about their addresses.

use super::read::{Reader, text_settings};
use crate::nip98;
use bitcoin::secp256k1::XOnlyPublicKey;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Bounds of what one client may do. Numbers a minute: 0 is any number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiLimits {
    /// Requests that read, a minute.
    pub reads_per_minute: u32,
    /// Requests that change something, a minute.
    pub writes_per_minute: u32,
    /// Requests that cost much work or hold something, a minute: proof documents, proposals, new pledges.
    pub costly_per_minute: u32,
    /// Whether clients on this machine are held to the limits too.
    pub limit_loopback: bool,
    /// Reverse proxies that are believed about whom they speak for.
    pub trusted_proxies: Vec<Subnet>,
    /// The header in which they say so.
    pub proxy_header: ProxyHeader,
    /// Most addresses of one task that one client may hold without having paid; 0 is any number.
    pub max_unpaid_pledges: usize,
    /// Most tasks that are drafted and not yet attested, of all identities together.
    pub max_drafts: usize,
    /// Most of them of one identity.
    pub max_drafts_per_identity: usize,
    /// The identities that may draft tasks; without any, everybody may.
    pub drafters: Vec<PublicKey>,
}

impl Default for ApiLimits {
    fn default() -> ApiLimits {
        ApiLimits {
            reads_per_minute: 1_200,
            writes_per_minute: 240,
            costly_per_minute: 60,
            limit_loopback: false,
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::XForwardedFor,
            max_unpaid_pledges: 5,
            max_drafts: 1_000,
            max_drafts_per_identity: 20,
            drafters: Vec::new(),
        }
    }
}

impl ApiLimits {
    pub(super) fn read(reader: &mut Reader<'_>) -> ApiLimits {
        let otherwise = ApiLimits::default();
        ApiLimits {
            reads_per_minute: reader.or("api.reads_per_minute", otherwise.reads_per_minute),
            writes_per_minute: reader.or("api.writes_per_minute", otherwise.writes_per_minute),
            costly_per_minute: reader.or("api.costly_per_minute", otherwise.costly_per_minute),
            limit_loopback: reader.or("api.limit_loopback", otherwise.limit_loopback),
            trusted_proxies: reader.or("api.trusted_proxies", otherwise.trusted_proxies),
            proxy_header: reader.or("api.proxy_header", otherwise.proxy_header),
            max_unpaid_pledges: reader.or("api.max_unpaid_pledges", otherwise.max_unpaid_pledges),
            max_drafts: reader.or("api.max_drafts", otherwise.max_drafts),
            max_drafts_per_identity: reader
                .or("api.max_drafts_per_identity", otherwise.max_drafts_per_identity),
            drafters: reader.or("api.drafters", otherwise.drafters),
        }
    }
}

/// An IP address, or all that begin like it: `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    address: IpAddr,
    prefix_bits: u8,
}

impl Subnet {
    /// Whether an address is in it. An IPv4 address written as IPv6 (`::ffff:`) is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, other) = (self.address, address.to_canonical());
        let (own, other, width) = match (own, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let rest: u32 = width - u32::from(self.prefix_bits);
        // A shift by all 128 bits leaves nothing to compare.
        own.checked_shr(rest) == other.checked_shr(rest)
    }
}

impl FromStr for Subnet {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Subnet, &'static str> {
        const WORDS: &str = "must be an IP address, or one with a prefix length: 10.0.0.0/8";
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| WORDS)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.map_or(Ok(width), str::parse).map_err(|_| WORDS)?;
        if prefix_bits > width { Err(WORDS) } else { Ok(Subnet { address, prefix_bits }) }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// The header in which a proxy names the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For: client, proxy`.
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
}

impl FromStr for ProxyHeader {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<ProxyHeader, &'static str> {
        match text {
            "x-forwarded-for" => Ok(ProxyHeader::XForwardedFor),
            "forwarded" => Ok(ProxyHeader::Forwarded),
            _ => Err("must be x-forwarded-for or forwarded"),
        }
    }
}

impl fmt::Display for ProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyHeader::XForwardedFor => "x-forwarded-for",
            ProxyHeader::Forwarded => "forwarded",
        })
    }
}

/// An identity's public key, as `npub1...` or 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub XOnlyPublicKey);

impl FromStr for PublicKey {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<PublicKey, &'static str> {
        nip98::parse_public(text).map(PublicKey).ok_or("must be a public key: npub1... or 64 hex digits")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&nip98::npub(&self.0))
    }
}

text_settings!(Subnet, ProxyHeader, PublicKey);

/// What counts as one client's address: IPv6 hosts choose among the 2^64 of their network at will.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() >> 64 << 64)),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_contain_what_begins_like_them() {
        let contains = |subnet: &str, address: &str| {
            subnet.parse::<Subnet>().unwrap().contains(address.parse().unwrap())
        };
        for (subnet, address) in [
            ("10.0.0.0/8", "10.255.1.2"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1", "::ffff:127.0.0.1"),
            ("0.0.0.0/0", "8.8.8.8"),
            ("::/0", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1"),
            ("::1", "::1"),
        ] {
            assert!(contains(subnet, address), "{subnet} {address}");
        }
        for (subnet, address) in [
            ("10.0.0.0/8", "11.0.0.1"),
            ("127.0.0.1", "127.0.0.2"),
            ("0.0.0.0/0", "::1"),
            ("::/0", "127.0.0.1"),
            ("2001:db8::/32", "2001:db9::1"),
        ] {
            assert!(!contains(subnet, address), "{subnet} {address}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "host", "10.0.0.0/-1", "10.0.0.0/"] {
            assert!(wrong.parse::<Subnet>().is_err(), "{wrong}");
        }
        let one: Subnet = "10.0.0.0/8".parse().unwrap();
        assert_eq!(one.to_string().parse::<Subnet>().unwrap(), one);
    }

    #[test]
    fn one_network_of_ipv6_is_one_client() {
        let of = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("192.0.2.1"), "192.0.2.1");
    }
}

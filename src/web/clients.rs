//! Who asks: the address of the client, through proxies that are trusted to tell it, or the identity that
//! signed. Headers of anybody else are not believed.

use crate::config::api::{ApiLimits, ProxyHeader, network_of};
use axum::http::HeaderMap;
use bitcoin::secp256k1::XOnlyPublicKey;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Most hops looked at.
const MAX_HOPS: usize = 32;

/// One client, as limits count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Client {
    /// By its address; of IPv6 the /64.
    Address(IpAddr),
    /// By the identity that signed.
    Identity(XOnlyPublicKey),
    /// One of too many to tell apart.
    Crowd,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The client's address, as limits count it.
    pub client: Client,
    /// On this machine, and spoken for by nobody.
    pub local: bool,
}

/// Reads off who is asking. `peer` is the other end of the connection.
pub fn source(peer: Option<SocketAddr>, headers: &HeaderMap, limits: &ApiLimits) -> Source {
    // Without a peer nothing is known: all such clients are one.
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let trusted = |address: &IpAddr| limits.trusted_proxies.iter().any(|subnet| subnet.contains(*address));
    let mut address = peer;
    if trusted(&peer) {
        // From the nearest hop outwards: the first that is not ours is the client.
        for hop in hops(headers, limits.proxy_header) {
            match hop {
                Some(hop) => address = hop,
                // Unreadable, or hidden: nothing beyond it can be believed.
                None => break,
            }
            if !trusted(&address) {
                break;
            }
        }
    }
    // A proxy here that nobody told us of must not lift the limits for all the world.
    let spoken_for = headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded");
    let local = peer.is_loopback() && address.is_loopback() && !spoken_for;
    Source { client: Client::Address(network_of(address)), local }
}

/// The hops a proxy tells, nearest first; `None` where one is no address.
fn hops(headers: &HeaderMap, header: ProxyHeader) -> Vec<Option<IpAddr>> {
    let name = match header {
        ProxyHeader::XForwardedFor => "x-forwarded-for",
        ProxyHeader::Forwarded => "forwarded",
    };
    let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("")).collect();
    let joined = values.join(",");
    joined
        .rsplit(',')
        .take(MAX_HOPS)
        .map(|hop| match header {
            ProxyHeader::XForwardedFor => address(hop),
            ProxyHeader::Forwarded => hop.split(';').find_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                key.trim().eq_ignore_ascii_case("for").then(|| address(value))?
            }),
        })
        .collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `"[2001:db8::1]:80"`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(limits: &ApiLimits, peer: &str, headers: &[(&'static str, &str)]) -> (String, bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let found = source(Some(peer.parse().unwrap()), &map, limits);
        let Client::Address(address) = found.client else { panic!("an address") };
        (address.to_string(), found.local)
    }

    #[test]
    fn nobody_is_believed_but_trusted_proxies() {
        let none = ApiLimits::default();
        let proxied = ApiLimits {
            trusted_proxies: vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            ..ApiLimits::default()
        };
        let x = "x-forwarded-for";
        let out = |text: &str| (text.to_owned(), false);
        let spoofed = [(x, "192.0.2.9")];
        assert_eq!(of(&none, "198.51.100.1:5", &spoofed), out("198.51.100.1"));
        assert_eq!(of(&proxied, "198.51.100.1:5", &spoofed), out("198.51.100.1"));
        assert_eq!(of(&proxied, "127.0.0.1:5", &spoofed), out("192.0.2.9"));
        assert_eq!(of(&proxied, "[::ffff:127.0.0.1]:5", &spoofed), out("192.0.2.9"));
        // What the client wrote itself stands left of what the proxies wrote.
        assert_eq!(of(&proxied, "10.1.1.1:5", &[(x, "127.0.0.1, 192.0.2.9, 10.2.2.2")]), out("192.0.2.9"));
        assert_eq!(of(&proxied, "10.1.1.1:5", &[(x, "203.0.113.1"), (x, "192.0.2.9")]), out("192.0.2.9"));
        assert_eq!(of(&proxied, "10.1.1.1:5", &[(x, "192.0.2.9, nonsense")]), out("10.1.1.1"));
        assert_eq!(of(&proxied, "10.1.1.1:5", &[("forwarded", "for=192.0.2.9")]), out("10.1.1.1"));
        assert_eq!(of(&proxied, "127.0.0.1:5", &[(x, "[2001:db8:1:2:3::4]:99")]), out("2001:db8:1:2::"));
        let forwarded = ApiLimits { proxy_header: ProxyHeader::Forwarded, ..proxied.clone() };
        let by = [("forwarded", r#"for=203.0.113.1, For="[2001:db8:1:2:3::4]:99";proto=https;by=10.1.1.1"#)];
        assert_eq!(of(&forwarded, "127.0.0.1:5", &by), out("2001:db8:1:2::"));
        assert_eq!(of(&forwarded, "127.0.0.1:5", &[("forwarded", "for=_hidden")]), out("127.0.0.1"));
        assert_eq!(of(&forwarded, "127.0.0.1:5", &spoofed), out("127.0.0.1"));
    }

    #[test]
    fn local_is_who_asks_from_here_for_nobody_else() {
        let none = ApiLimits::default();
        assert_eq!(of(&none, "127.0.0.1:5", &[]), ("127.0.0.1".into(), true));
        assert!(of(&none, "[::1]:5", &[]).1);
        assert!(!of(&none, "192.0.2.1:5", &[]).1);
        assert!(!of(&none, "127.0.0.1:5", &[("x-forwarded-for", "127.0.0.1")]).1, "an unknown proxy");
        assert!(!of(&none, "127.0.0.1:5", &[("forwarded", "for=x")]).1);
        assert!(!source(None, &HeaderMap::new(), &none).local);
    }
}

//! Where webhooks may go: named here, and checked again at the moment of connecting, because a name can be
//! resolved to something else a second later.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ureq::http::Uri;

/// Longest URL.
const MAX_URL_BYTES: usize = 2_000;

/// An address that webhooks may be sent to, as far as its text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: String,
    /// Host and port, as the operator's list of exceptions has them.
    host_port: String,
}

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a URL.
    #[error("this is no URL that a webhook can be sent to: https://host/path is")]
    NotAUrl,
    /// Too long.
    #[error("a webhook's URL is at most {MAX_URL_BYTES} bytes long")]
    TooLong,
    /// Plain HTTP.
    #[error("a webhook's URL begins with https://: events are signed, not encrypted")]
    NotHttps,
    /// `user:password@`.
    #[error("a webhook's URL names no user: put a token into the path or check the signature")]
    UserInfo,
    /// A port that other services have.
    #[error("port {port} is refused: 443, and those from 1024 on, are taken")]
    Port {
        /// Which.
        port: u16,
    },
    /// A name that belongs to no public host.
    #[error("{host} is no public name")]
    Name {
        /// Which.
        host: String,
    },
    /// An address of a private or special network.
    #[error("{address} is no public address")]
    Address {
        /// Which.
        address: IpAddr,
    },
}

impl Target {
    /// Reads a URL. `allow` lists hosts with port that are let through whatever their network is.
    ///
    /// # Errors
    /// See [`TargetError`]. Names are not resolved here.
    pub fn parse(url: &str, allow: &BTreeSet<String>) -> Result<Target, TargetError> {
        if url.len() > MAX_URL_BYTES {
            return Err(TargetError::TooLong);
        }
        // The parser drops a fragment silently.
        if url.contains('#') || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(TargetError::NotAUrl);
        }
        let uri: Uri = url.parse().map_err(|_| TargetError::NotAUrl)?;
        let authority = uri.authority().ok_or(TargetError::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(TargetError::UserInfo);
        }
        let default_port = match uri.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => return Err(TargetError::NotHttps),
        };
        let given = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let port = match (given, authority.port_u16()) {
            ("", _) => default_port,
            (_, Some(port)) => port,
            (_, None) => return Err(TargetError::NotAUrl),
        };
        let host = authority.host().to_ascii_lowercase();
        let target = Target { url: url.to_owned(), host_port: format!("{host}:{port}") };
        if allow.contains(&target.host_port) {
            return Ok(target);
        }
        if default_port != 443 {
            return Err(TargetError::NotHttps);
        }
        if port != 443 && port < 1024 {
            return Err(TargetError::Port { port });
        }
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        match literal.parse::<IpAddr>() {
            Ok(address) if !is_public(address) => Err(TargetError::Address { address }),
            Ok(_) => Ok(target),
            Err(_) if is_public_name(&host) => Ok(target),
            Err(_) => Err(TargetError::Name { host }),
        }
    }

    /// The URL as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Host and port.
    pub fn host_port(&self) -> &str {
        &self.host_port
    }
}

/// Whether a name may belong to a public host: letters, digits and hyphens in at least two labels, and no
/// name that is kept for something else (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476).
fn is_public_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let labels: Vec<&str> = host.split('.').collect();
    let Some((last, rest)) = labels.split_last() else { return false };
    let kept = [
        "localhost",
        "local",
        "internal",
        "onion",
        "alt",
        "test",
        "invalid",
        "example",
        "arpa",
        "lan",
        "home",
    ];
    // A last label of digits is how some resolvers write addresses: 127.1, 0x7f.1.
    let number = last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit());
    !rest.is_empty()
        && host.len() <= 253
        && labels.iter().all(|part| label(part))
        && !kept.contains(last)
        && !number
}

/// Whether an address is one that anybody on the Internet may have (IANA's special-purpose registries).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127, ..)                      // this network, private, loopback
            | (100, 64..=127, _)                // shared by carriers
            | (169, 254, _)                     // link-local, where clouds keep their metadata
            | (172, 16..=31, _) | (192, 168, _) // private
            | (192, 0, 0 | 2)                   // protocol assignments, documentation
            | (192, 88, 99)                     // 6to4 relays
            | (198, 18 | 19, _)                 // benchmarks
            | (198, 51, 100) | (203, 0, 113)    // documentation
            | (224..=255, ..) // multicast, reserved, broadcast
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let last_v4 = || {
        let [.., a, b] = segments;
        let ([a, b], [c, d]) = (a.to_be_bytes(), b.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // Well-known prefix of NAT64: as good as the address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => is_public_v4(last_v4()),
        // Only 2000::/3 is given out; unspecified, loopback, mapped and compatible, unique local, link-local and
        // multicast addresses are all outside of it.
        [first, ..] if first & 0xe000 != 0x2000 => false,
        // Protocol assignments with Teredo, benchmarks and ORCHID; documentation; 6to4, which holds an IPv4
        // address; documentation again.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, TargetError> {
        Target::parse(url, &BTreeSet::from(["127.0.0.1:9000".to_owned(), "hook.internal:80".to_owned()]))
    }

    #[test]
    fn public_targets_are_taken() {
        for url in [
            "https://example.org/hook",
            "https://example.org:8443/a?b=c",
            "https://93.184.216.34/",
            "https://[2606:2800:220:1::1]:443/x",
            "https://xn--bcher-kva.example.com/",
            // The operator's own exceptions.
            "http://127.0.0.1:9000/x",
            "http://hook.internal/x",
        ] {
            assert_eq!(parse(url).unwrap().url(), url);
        }
    }

    #[test]
    fn what_is_not_public_is_refused_by_its_text_already() {
        use TargetError::{NotAUrl, NotHttps, UserInfo};
        let name = |host: &str| TargetError::Name { host: host.to_owned() };
        let address = |text: &str| TargetError::Address { address: text.parse().unwrap() };
        for (url, error) in [
            ("", NotAUrl),
            ("example.org", NotHttps),
            ("https://", NotAUrl),
            ("https://a b/", NotAUrl),
            ("https://example.org/#x", NotAUrl),
            ("https://example.org:/", NotAUrl),
            ("http://example.org/", NotHttps),
            ("ftp://example.org/", NotHttps),
            ("file:///etc/passwd", NotAUrl),
            ("https://me:secret@example.org/", UserInfo),
            ("https://example.org@127.0.0.1/", UserInfo),
            ("https://example.org:22/", TargetError::Port { port: 22 }),
            ("https://localhost/", name("localhost")),
            ("https://x.localhost/", name("x.localhost")),
            ("https://printer.local/", name("printer.local")),
            ("https://metadata.google.internal/", name("metadata.google.internal")),
            ("https://abc.onion/", name("abc.onion")),
            ("https://intranet/", name("intranet")),
            ("https://127.1/", name("127.1")),
            ("https://0x7f.0.0.0x1/", name("0x7f.0.0.0x1")),
            ("https://2130706433/", name("2130706433")),
            ("https://localhost./", name("localhost.")),
            ("https://127.0.0.1/", address("127.0.0.1")),
            ("https://127.0.0.1:9001/", address("127.0.0.1")),
            ("https://10.0.0.1/", address("10.0.0.1")),
            ("https://169.254.169.254/latest/meta-data", address("169.254.169.254")),
            ("https://[::1]/", address("::1")),
            ("https://[::ffff:127.0.0.1]/", address("::ffff:127.0.0.1")),
            ("https://[fd00::1]/", address("fd00::1")),
        ] {
            assert_eq!(parse(url), Err(error), "{url}");
        }
        assert_eq!(parse(&format!("https://example.org/{}", "a".repeat(2_000))), Err(TargetError::TooLong));
    }

    #[test]
    fn every_special_network_is_known() {
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860::8888",
            "64:ff9b::8.8.8.8",
            "2a00::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}

//! Where a server is: `tcp://host:port` or `ssl://host:port`. Nothing else is an address, so that no
//! user name or password can hide in one and end up in a log.

use std::fmt;
use std::str::FromStr;

/// The address of an Electrum server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerAddress {
    tls: bool,
    host: String,
    port: u16,
}

/// The server's address cannot be used. Does not repeat it: somebody may have put a password in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is no address of an Electrum server: tcp://host:port and ssl://host:port are")]
pub struct BadServerUrl;

impl ServerAddress {
    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Name or IP address, without brackets.
    pub fn host(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for ServerAddress {
    type Err = BadServerUrl;

    fn from_str(url: &str) -> Result<Self, BadServerUrl> {
        let (tls, rest) = match (url.strip_prefix("tcp://"), url.strip_prefix("ssl://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            (None, None) => return Err(BadServerUrl),
        };
        let (host, port) = host_port(rest.strip_suffix('/').unwrap_or(rest)).ok_or(BadServerUrl)?;
        Ok(Self { tls, host: host.to_owned(), port })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.tls { "ssl" } else { "tcp" }, self.host, self.port)
    }
}

/// The address, and what is written behind a `#`: the certificate that is pinned.
pub fn split_pin(text: &str) -> (&str, Option<&str>) {
    match text.split_once('#') {
        Some((url, certificate)) => (url, Some(certificate)),
        None => (text, None),
    }
}

/// Whether `text` is `host:port`.
pub fn is_host_port(text: &str) -> bool {
    host_port(text).is_some()
}

fn host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let plain = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    plain.then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tcp_and_ssl_with_host_and_port_are_addresses() {
        for bad in [
            "host:1",
            "http://host:1",
            "tcp://host",
            "tcp://:1",
            "tcp://host:0",
            "tcp://host:99999",
            "tcp://user:secret@host:1",
            "tcp://host:1/path",
            "tcp://[::g]:1",
            "tcp://::1:1",
            "ssl://",
            "",
        ] {
            assert_eq!(bad.parse::<ServerAddress>(), Err(BadServerUrl), "{bad}");
        }
        for (good, host) in [
            ("tcp://[::1]:50001", "::1"),
            ("ssl://electrum.example.org:50002", "electrum.example.org"),
            ("tcp://abcdefghijklmnop.onion:50001", "abcdefghijklmnop.onion"),
        ] {
            let address: ServerAddress = good.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.host()), (good, host));
            assert_eq!(address.is_tls(), good.starts_with("ssl"));
        }
        assert_eq!("ssl://a:1/".parse::<ServerAddress>().unwrap().to_string(), "ssl://a:1");
    }
}

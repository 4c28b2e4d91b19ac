//! The Electrum servers as configured: one address or several, each with a certificate to pin if it has one.

use super::read::{Reader, Setting};
use crate::chain::electrum::{
    BadCertificate, BadServerUrl, Reach, ServerAddress, ServerConfig, Trust, is_host_port, split_pin,
};
use std::collections::BTreeSet;

/// One Electrum server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectrumServer {
    /// Where it is.
    pub address: ServerAddress,
    /// For `ssl://`: the SHA-256 fingerprint of its certificate, in hex, or a PEM file with it. Without,
    /// the certificate must be signed by a public authority for the host's name.
    pub certificate: Option<String>,
}

impl Setting for ElectrumServer {
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        if let Some(url) = value.as_str() {
            return Self::from_text(url);
        }
        let shape =
            || "a server is \"tcp://host:port\", or { url = \"...\", certificate = \"...\" }".to_owned();
        let table = value.as_table().ok_or_else(shape)?;
        if table.keys().any(|key| !["url", "certificate"].contains(&key.as_str())) {
            return Err(shape());
        }
        let text = |key| table.get(key).map(|value| value.as_str().map(str::to_owned).ok_or_else(shape));
        let mut server = Self::from_text(&text("url").ok_or_else(shape)??)?;
        if let Some(certificate) = text("certificate").transpose()? {
            server.certificate = Some(certificate);
        }
        server.checked()
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let (url, certificate) = split_pin(text);
        let address = url.parse().map_err(|error: BadServerUrl| error.to_string())?;
        Self { address, certificate: certificate.map(str::to_owned) }.checked()
    }

    fn shown(&self) -> String {
        match &self.certificate {
            None => self.address.to_string(),
            Some(certificate) => format!("{} (certificate {certificate})", self.address),
        }
    }
}

impl ElectrumServer {
    fn checked(self) -> Result<Self, String> {
        if self.certificate.is_some() && !self.address.is_tls() {
            return Err(format!("{}: a certificate goes with ssl:// only", self.address));
        }
        Ok(self)
    }

    /// With the pin read.
    ///
    /// # Errors
    /// If the certificate is neither a fingerprint nor a file with one.
    pub fn read(&self) -> Result<ServerConfig, BadCertificate> {
        let trust = match &self.certificate {
            None => Trust::Authorities,
            Some(certificate) => Trust::from_setting(certificate)?,
        };
        Ok(ServerConfig { address: self.address.clone(), trust })
    }
}

/// How servers are reached and used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// The servers, the preferred first; at least one.
    pub servers: Vec<ElectrumServer>,
    /// SOCKS5 proxy (Tor) that all of them are reached through, `host:port`. It resolves their names.
    pub socks5: Option<String>,
    /// On how many servers scripts are watched at once; at least one.
    pub watch_on: usize,
    /// Within how many seconds every settled script is looked at once; `None`: the usual of the network.
    pub sweep_secs: Option<u64>,
}

impl Servers {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Servers> {
        let servers: Option<Vec<ElectrumServer>> = reader.required("electrum");
        let socks5: Option<String> = reader.optional("socks5");
        let watch_on = reader.or("watch_on", 2);
        let sweep_secs = reader.optional("sweep_secs");
        if servers.as_ref().is_some_and(Vec::is_empty) {
            reader.problem("electrum", "names no server");
        }
        let mut seen = BTreeSet::new();
        for server in servers.iter().flatten() {
            if !seen.insert(server.address.clone()) {
                reader.problem("electrum", format!("{} is named twice", server.address));
            }
        }
        if socks5.as_ref().is_some_and(|proxy| !is_host_port(proxy)) {
            reader.problem("socks5", "must be host:port");
        }
        if watch_on == 0 {
            reader.problem("watch_on", "must be at least 1");
        }
        if sweep_secs == Some(0) {
            reader.problem("sweep_secs", "must be at least 1");
        }
        Some(Servers { servers: servers?, socks5, watch_on, sweep_secs })
    }

    /// The way to each server, the preferred first.
    ///
    /// # Errors
    /// As [`ElectrumServer::read`].
    pub fn reaches(&self) -> Result<Vec<Reach>, BadCertificate> {
        let reach =
            |server: &ElectrumServer| Ok(Reach { server: server.read()?, socks5: self.socks5.clone() });
        self.servers.iter().map(reach).collect()
    }

    /// The addresses, the preferred first.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        self.servers.iter().map(|server| server.address.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn servers_are_one_or_many_and_each_may_be_pinned() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        let load = |electrum: &str| {
            let text = format!("network = \"regtest\"\ndata_dir = \"x\"\n{electrum}\n");
            std::fs::write(&path, text).unwrap();
            Config::load(Some(&path), |_| None)
        };
        let urls = |config: &Config| -> Vec<String> { config.electrum.urls().collect() };
        assert_eq!(urls(&load("electrum = \"tcp://a:1\"").unwrap()), ["tcp://a:1"]);
        let two =
            "[\"ssl://a:2\", { url = \"ssl://b:2\", certificate = \"00\" }]\nsocks5 = \"127.0.0.1:9050\"";
        let config = load(&format!("electrum = {two}")).unwrap();
        assert_eq!(urls(&config), ["ssl://a:2", "ssl://b:2"]);
        assert_eq!(config.electrum.servers[1].certificate.as_deref(), Some("00"));
        assert_eq!(
            (config.electrum.watch_on, config.electrum.socks5.as_deref()),
            (2, Some("127.0.0.1:9050"))
        );
        let written = load("electrum = [\"ssl://a:2\", \"ssl://b:2#00\"]").unwrap();
        assert_eq!(written.electrum.servers, config.electrum.servers, "the same in one word");
        let one = load("electrum = { url = \"ssl://b:2\", certificate = \"00\" }").unwrap();
        assert_eq!(one.electrum.servers, config.electrum.servers[1..]);
        for (bad, word) in [
            ("electrum = []", "names no server"),
            ("electrum = [\"tcp://a:1\", \"tcp://a:1/\"]", "twice"),
            ("electrum = \"http://a:1\"", "ssl://host:port"),
            ("electrum = \"ssl://user:secret@a:1\"", "ssl://host:port"),
            ("electrum = { url = \"tcp://a:1\", certificate = \"00\" }", "ssl:// only"),
            ("electrum = { url = \"tcp://a:1\", cert = \"00\" }", "certificate"),
            ("electrum = \"tcp://a:1#00\"", "ssl:// only"),
            ("electrum = \"tcp://a:1\"\nsocks5 = \"9050\"", "host:port"),
            ("electrum = \"tcp://a:1\"\nwatch_on = 0", "watch_on"),
        ] {
            let error = load(bad).unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains("secret"), "{bad}: {error}");
        }
        load("electrum = \"tcp://a:1\"").unwrap();
        let set = |name: &str| (name == "UPFRONT_ELECTRUM").then(|| "tcp://c:1, tcp://d:1".to_owned());
        assert_eq!(urls(&Config::load(Some(&path), set).unwrap()), ["tcp://c:1", "tcp://d:1"]);
    }
}

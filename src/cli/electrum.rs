//! The Electrum servers that a command asks, and the way to them.

use crate::chain::electrum::Reach;
use crate::chain::oneshot::{OneShot, OneShotConfig};
use crate::cli::exit::Failure;
use crate::config::Config;
use crate::escrow::network::Network;
use anyhow::Context as _;
use clap::Args;

/// How the servers of `--electrum` are reached.
#[derive(Args, Clone, Debug, Default)]
pub struct ProxyArg {
    /// SOCKS5 proxy (Tor) that Electrum servers are reached through; it resolves their names
    #[arg(long, value_name = "HOST:PORT", env = "UPFRONT_SOCKS5")]
    pub socks5: Option<String>,
}

impl ProxyArg {
    /// The servers named in `urls`, on their shipped checkpoint.
    pub fn config(&self, urls: &str, network: Network) -> anyhow::Result<OneShotConfig> {
        Ok(OneShotConfig::at(self.reaches(urls)?, network.bitcoin()))
    }

    /// The first of the servers that can be used.
    pub fn connect(&self, urls: &str, network: Network) -> anyhow::Result<OneShot> {
        let config = self.config(urls, network)?;
        OneShot::connect(&config).with_context(|| format!("cannot use the Electrum server {urls}"))
    }

    fn reaches(&self, urls: &str) -> anyhow::Result<Vec<Reach>> {
        let reaches = Reach::each(urls, self.socks5.as_deref());
        Ok(reaches.map_err(|error| Failure::usage(format!("--electrum: {error}")))?)
    }

    /// Those named, else those of the settings; `None` where neither says anything. The proxy of the settings is
    /// used where no other is named.
    pub fn choose(&self, urls: Option<&str>, config: Option<&Config>) -> anyhow::Result<Option<Vec<Reach>>> {
        let configured = config.and_then(|config| config.electrum.socks5.clone());
        let proxy = ProxyArg { socks5: self.socks5.clone().or(configured) };
        match (urls.filter(|urls| !urls.trim().is_empty()), config) {
            (Some(urls), _) => Ok(Some(proxy.reaches(urls)?)),
            (None, Some(config)) => {
                let reaches = config.electrum.reaches()?.into_iter();
                Ok(Some(reaches.map(|reach| Reach { socks5: proxy.socks5.clone(), ..reach }).collect()))
            }
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::electrum::Trust;

    #[test]
    fn named_servers_go_before_the_settings_and_keep_their_proxy() {
        let pin = "ab".repeat(32);
        let text = format!(
            "network = 'regtest'\ndata_dir = 'x'\nsocks5 = 'tor:9050'\n\
             electrum = [{{ url = 'ssl://a:2', certificate = '{pin}' }}]\n"
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        let config = Config::load(Some(&path), |_| None).unwrap();
        let tor = || Some("tor:9050".to_owned());
        let pinned = Trust::Pinned([0xab; 32]);

        let arg = ProxyArg::default();
        let of = |arg: &ProxyArg, urls| arg.choose(urls, Some(&config)).unwrap().unwrap();
        let configured = of(&arg, None);
        assert_eq!((configured[0].url().as_str(), &configured[0].socks5), ("ssl://a:2", &tor()));
        assert_eq!(configured[0].server.trust, pinned);
        let named = format!("tcp://b:1, ssl://c:2#{pin}");
        let named = of(&arg, Some(named.as_str()));
        assert_eq!((named[0].url().as_str(), &named[0].socks5), ("tcp://b:1", &tor()));
        assert_eq!((named[1].url().as_str(), &named[1].server.trust), ("ssl://c:2", &pinned));
        let other = ProxyArg { socks5: Some("other:1".to_owned()) };
        assert_eq!(of(&other, None)[0].socks5.as_deref(), Some("other:1"));
        assert_eq!(arg.choose(None, None).unwrap(), None);
        let refused = arg.choose(Some("tcp://b:1#00"), None).unwrap_err();
        assert!(refused.to_string().contains("ssl:// only"), "{refused}");
    }
}

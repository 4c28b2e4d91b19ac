//! What is allowed, and yet worth a word: settings that an operator would regret. Looks at the settings, the
//! data directory and the clock; asks no server.

use super::{Config, Listen};
use crate::escrow::network::Network;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Before this the machine's clock is wrong: 2025-01-01, when none of this was written.
const EARLIEST_SECS: u64 = 1_735_689_600;

/// Everything worth a word, each a sentence.
pub fn warnings(config: &Config, now_secs: u64) -> Vec<String> {
    let mut told = Vec::new();
    if let Listen::Tcp(address) = &config.listen
        && !address.ip().is_loopback()
    {
        told.push(format!(
            "listen = {address} is not this machine's alone: requests arrive without TLS. Let a reverse proxy (nginx, \
             Caddy) take them, and listen on 127.0.0.1 or unix:/path"
        ));
    }
    if config.network != Network::Regtest
        && config.public_url.starts_with("http://")
        && !is_onion(&config.public_url)
    {
        told.push(format!("public_url = {} is without TLS: people will be sent there", config.public_url));
    }
    if let Some(address) = config.metrics_listen
        && !address.ip().is_loopback()
    {
        told.push(format!(
            "metrics_listen = {address}: whoever reaches it reads sums and load; guard it by a firewall"
        ));
    }
    if config.network == Network::Mainnet && config.electrum.servers.len() == 1 {
        told.push(
            "a single Electrum server on mainnet: one that hides things is noticed by nobody".to_owned(),
        );
    }
    for url in config.electrum.urls().filter(|_| config.electrum.socks5.is_none()) {
        if let Some(host) = plain_remote(&url) {
            told.push(format!(
                "electrum = {url}: plain TCP to {host}; whoever is on the way can hide and change what it says"
            ));
        }
    }
    data_dir(&config.data_dir, &mut told);
    if now_secs < EARLIEST_SECS {
        told.push(format!("the clock of this machine says {now_secs} s since 1970: it is wrong"));
    }
    told
}

fn is_onion(url: &str) -> bool {
    let host = url.split("//").nth(1).unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    host.ends_with(".onion")
}

/// The host of a `tcp://` address, if it is neither this machine nor an onion service.
fn plain_remote(url: &str) -> Option<&str> {
    let (host, port) = url.strip_prefix("tcp://")?.trim_end_matches('/').rsplit_once(':')?;
    let local = |ip: IpAddr| ip.is_loopback();
    let bare = host.trim_matches(['[', ']']);
    let here = match bare.parse::<IpAddr>() {
        Ok(ip) => local(ip),
        Err(_) => {
            bare == "localhost"
                || bare.ends_with(".onion")
                || (!bare.contains('.')
                    && (bare, port.parse().unwrap_or(0))
                        .to_socket_addrs()
                        .is_ok_and(|mut found| found.all(|address| local(address.ip()))))
        }
    };
    (!here).then_some(host)
}

fn data_dir(dir: &Path, told: &mut Vec<String>) {
    let Ok(about) = std::fs::metadata(dir) else {
        told.push(format!("data_dir = {} is not there yet: it is made at the first start", dir.display()));
        return;
    };
    if !about.is_dir() {
        told.push(format!("data_dir = {} is not a directory", dir.display()));
        return;
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        told.push(format!("data_dir = {} has mode {mode:o}: others can look in; chmod 700", dir.display()));
    }
    let fee_wallet = ["wallet.phrase", "wallet.phrase.age", "wallet.descriptor"];
    if !fee_wallet.iter().any(|name| dir.join(name).exists()) {
        told.push(
            "there is no fee wallet: refunds go by their own ladders (`upfront wallet new` makes one)"
                .to_owned(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const NOW: u64 = 1_800_000_000;

    fn config(dir: &Path) -> Config {
        let set = |name: &str| match name {
            "UPFRONT_NETWORK" => Some("regtest".to_owned()),
            "UPFRONT_DATA_DIR" => Some(dir.display().to_string()),
            "UPFRONT_ELECTRUM" => Some("tcp://127.0.0.1:60401".to_owned()),
            _ => None,
        };
        Config::load(None, set).unwrap()
    }

    #[test]
    fn a_sound_set_up_needs_no_words_and_each_unsound_part_has_its_own() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(dir.path().join("wallet.phrase"), "").unwrap();
        let sound = config(dir.path());
        assert_eq!(warnings(&sound, NOW), Vec::<String>::new());
        let one = |change: fn(&mut Config), now_secs: u64, word: &str| {
            let mut changed = sound.clone();
            change(&mut changed);
            let told = warnings(&changed, now_secs);
            assert!(told.len() == 1 && told[0].contains(word), "{word}: {told:?}");
        };
        one(|c| c.listen = "0.0.0.0:8032".parse().unwrap(), NOW, "reverse proxy");
        one(|c| c.metrics_listen = Some("10.0.0.1:9".parse().unwrap()), NOW, "firewall");
        one(|c| c.electrum.servers[0].address = "tcp://203.0.113.9:50001".parse().unwrap(), NOW, "plain TCP");
        one(|c| c.network = Network::Signet, NOW, "without TLS");
        one(|c| c.data_dir = PathBuf::from("/nowhere/at/all"), NOW, "not there yet");
        one(|_| (), 5, "clock");
        let mut mainnet = sound.clone();
        (mainnet.network, mainnet.public_url) = (Network::Mainnet, "https://x.example".to_owned());
        assert!(warnings(&mainnet, NOW)[0].contains("single"), "{:?}", warnings(&mainnet, NOW));
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(warnings(&sound, NOW)[0].contains("chmod 700"));
        std::fs::remove_file(dir.path().join("wallet.phrase")).unwrap();
        assert!(warnings(&sound, NOW)[1].contains("fee wallet"));
        assert_eq!(plain_remote("tcp://abc.onion:50001"), None);
        assert_eq!(plain_remote("ssl://203.0.113.9:1"), None);
        assert_eq!(plain_remote("tcp://[::1]:50001"), None);
    }
}

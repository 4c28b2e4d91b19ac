//! Settings: what is read, what is refused, and that the example tells of every key.

use super::*;
use std::collections::BTreeSet;

fn none(_: &str) -> Option<String> {
    None
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/upfront.example.toml")
}

fn with(text: &str) -> Result<Examined, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    Config::examine(Some(&path), none)
}

/// Without problems by itself.
const LEAST: &str = "network = 'regtest'\ndata_dir = '/d'\nelectrum = 'tcp://127.0.0.1:1'\n";

/// The example with every commented-out setting put in: lines `# key = value` and `# [section]`.
fn uncommented() -> String {
    let is_key = |line: &str| {
        let name = line.split(" = ").next().filter(|name| *name != line);
        name.is_some_and(|name| {
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
    };
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if is_key(rest) || rest.starts_with('[') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_commented_example_is_valid() {
    let config = Config::load(Some(&example()), none).unwrap();
    assert_eq!(config.network, Network::Regtest);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8032");
    assert_eq!(config.checkpoint().height, 0);
}

#[test]
fn the_example_has_every_key_and_no_other_and_its_values_are_the_defaults() {
    let file: toml::Table = uncommented().parse().unwrap();
    let mut told = Vec::new();
    read::leaves(&file, "", &mut told);
    let told: BTreeSet<String> = told.into_iter().collect();
    let mut reader = Reader::new(toml::Table::new(), &none);
    Config::read(&mut reader);
    let (settings, _) = reader.finish();
    let known: BTreeSet<String> = settings.iter().map(|setting| setting.key.to_owned()).collect();
    assert_eq!(told, known);
    let examined = with(&uncommented()).unwrap();
    assert_eq!(examined.problems, [], "put in as they stand, its values are good");
    // What it shows as set or as `# key = value` is what holds without it.
    for (shown, default) in examined.settings.iter().zip(&settings) {
        assert_eq!(shown.key, default.key);
        if let Some(value) = &default.value {
            assert_eq!(shown.value.as_ref(), Some(value), "default of {}", shown.key);
        }
    }
}

#[test]
fn a_checkpoint_is_a_height_and_a_hash_that_the_program_does_not_contradict() {
    let examine = |network: &str, checkpoint: &str| {
        let least = LEAST.replace("regtest", network);
        with(&format!("{least}{checkpoint}")).unwrap()
    };
    let written = |height: u32, hash: &str| format!("[checkpoint]\nheight = {height}\nhash = '{hash}'");
    let other = "11".repeat(32);
    for network in Network::ALL {
        let shipped = Checkpoint::shipped(network.bitcoin());
        let chosen = |checkpoint: &str| {
            let examined = examine(network.name(), checkpoint);
            assert_eq!(examined.problems, [], "{network} {checkpoint}");
            examined.config.unwrap().checkpoint()
        };
        assert_eq!(chosen(""), shipped);
        assert_eq!(chosen(&written(shipped.height, &shipped.hash.to_string())), shipped);
        let any = chosen(&written(900_000, &other));
        assert_eq!((any.height, any.hash.to_string()), (900_000, other.clone()));
        let examined = examine(network.name(), &written(shipped.height, &other));
        let [problem] = &examined.problems[..] else { panic!("{:?}", examined.problems) };
        assert_eq!(problem.key, "checkpoint.hash");
        assert!(problem.detail.contains("getblockhash"), "{}", problem.detail);
    }
    for (text, key) in [
        (written(5, "00"), "checkpoint.hash"),
        ("[checkpoint]\nheight = 5".to_owned(), "checkpoint.hash"),
        (format!("[checkpoint]\nhash = '{other}'"), "checkpoint.height"),
        (format!("{}\nheader = '00'", written(5, &other)), "checkpoint.header"),
    ] {
        let problems = examine("regtest", &text).problems;
        let [problem] = &problems[..] else { panic!("{text}: {problems:?}") };
        assert_eq!(problem.key, key, "{text}");
    }
}

#[test]
fn variables_override_each_key_and_what_is_missing_is_named() {
    let set = |name: &str| match name {
        "UPFRONT_NETWORK" => Some("signet".to_owned()),
        "UPFRONT_DATA_DIR" => Some("/tmp/x".to_owned()),
        "UPFRONT_CHECKPOINT_HEIGHT" => Some("7".to_owned()),
        _ => None,
    };
    let error = Config::load(None, set).unwrap_err().to_string();
    assert!(error.contains("electrum") && error.contains("UPFRONT_ELECTRUM"), "{error}");
    let examined = Config::examine(Some(&example()), set).unwrap();
    let of = |key: &str| examined.settings.iter().find(|setting| setting.key == key).unwrap();
    assert_eq!(of("network").value.as_deref(), Some("signet"));
    assert_eq!(of("network").source, read::Source::Environment);
    assert_eq!(of("checkpoint.height").value.as_deref(), Some("7"));
    assert_eq!(of("electrum").source, read::Source::File);
    assert_eq!(of("metrics_listen").value, None);
}

#[test]
fn all_problems_are_told_at_once_with_the_nearest_key() {
    let text = "network = \"testnet3\"\nlisten_on = \"x\"\nmax_task = 5\nrefund_budget_sat = \"many\"\nheader_timeout_secs = 0\n";
    let problems = with(text).unwrap().problems;
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let has = |words: &[&str]| {
        assert!(
            told.iter().any(|line| words.iter().all(|word| line.contains(word))),
            "{words:?} in {told:#?}"
        );
    };
    has(&["network", "testnet3", "testnet4"]);
    has(&["data_dir", "UPFRONT_DATA_DIR"]);
    has(&["electrum", "UPFRONT_ELECTRUM"]);
    has(&["listen_on", "did you mean listen?"]);
    has(&["max_task", "did you mean max_tasks?"]);
    has(&["refund_budget_sat", "whole number"]);
    has(&["header_timeout_secs", "at least 1"]);
    assert_eq!(told.len(), 7);
    assert!(with(text).unwrap().config.is_none());
    assert!(matches!(with("network = ").unwrap_err(), ConfigError::Parse { .. }));
}

#[test]
fn places_to_listen_at() {
    assert_eq!("[::1]:80".parse(), Ok(Listen::Tcp("[::1]:80".parse().unwrap())));
    assert_eq!("unix:/run/u.sock".parse(), Ok(Listen::Unix("/run/u.sock".into())));
    for bad in ["localhost", "unix:relative", "8032", ""] {
        assert!(bad.parse::<Listen>().is_err(), "{bad}");
    }
    let both = format!("{LEAST}listen = '127.0.0.1:1'\nmetrics_listen = '127.0.0.1:1'\n");
    assert_eq!(with(&both).unwrap().problems[0].key, "metrics_listen");
}

#[test]
fn a_faucet_is_for_regtest_alone() {
    let faucet = "[faucet]\nrpc_url = 'http://127.0.0.1:18443/'\ncookie_file = '/n/.cookie'\n";
    let examined = with(&format!("{LEAST}{faucet}wallet = 'w'\n")).unwrap();
    assert_eq!(examined.problems, []);
    let node = examined.config.unwrap().faucet.unwrap();
    assert_eq!((node.rpc_url.as_str(), node.wallet.as_deref()), ("http://127.0.0.1:18443", Some("w")));
    assert_eq!(with(LEAST).unwrap().config.unwrap().faucet, None);
    for network in Network::ALL.into_iter().filter(|network| *network != Network::Regtest) {
        let least = LEAST.replace("regtest", network.name());
        // Any key of it is one too many.
        for section in [faucet, "[faucet]\nwallet = 'w'\n"] {
            let examined = with(&format!("{least}{section}")).unwrap();
            let [problem] = &examined.problems[..] else { panic!("{network}: {:?}", examined.problems) };
            assert!(
                problem.key.starts_with("faucet.") && problem.detail.contains("regtest alone"),
                "{problem}"
            );
            assert!(examined.config.is_none());
        }
    }
    for (section, key) in [
        ("rpc_url = 'http://127.0.0.1:1'", "faucet.cookie_file"),
        ("cookie_file = '/c'", "faucet.rpc_url"),
        ("rpc_url = 'https://127.0.0.1:1'\ncookie_file = '/c'", "faucet.rpc_url"),
        ("rpc_url = 'http://u:p@127.0.0.1:1'\ncookie_file = '/c'", "faucet.rpc_url"),
        ("rpc_url = 'http://127.0.0.1:1'\ncookie_file = '/c'\nwallet = 'a/b'", "faucet.wallet"),
    ] {
        let problems = with(&format!("{LEAST}[faucet]\n{section}\n")).unwrap().problems;
        assert_eq!(
            problems.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(),
            [key],
            "{section}"
        );
    }
}

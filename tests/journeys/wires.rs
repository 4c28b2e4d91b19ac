//! Ways to reach an Electrum server: TLS with a certificate of its own making that is pinned, and a SOCKS5
//! proxy that resolves the name; both at once, and a pin that is another certificate's. The watcher goes there,
//! and so do the fee wallet and the commands.

use crate::harness::{Make, Node, Server, Service, Socks, Sponsor, Task, World, wait_until};
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Amount};
use std::process::Command;
use upfront::escrow::network::Network;
use upfront::wallet::OperatorWallet;

/// A service whose wallet was made before it started.
fn with_wallet(settings: &str) -> Service {
    let service = Service::with_settings(settings);
    OperatorWallet::create(&service.data_dir(), Network::Regtest).unwrap();
    service
}

/// The fee wallet learns of its money over this connection.
fn fills_its_wallet(world: &World) {
    let wallet = || world.api().status().unwrap().fee_wallet;
    let address: Address<NetworkUnchecked> =
        wait_until("the wallet answers", || Some(wallet()?.address)).parse().unwrap();
    world.node.send(&address.assume_checked(), Amount::from_sat(100_000));
    world.mine(1);
    wait_until("the wallet has its money", || (wallet()?.confirmed_sat == 100_000).then_some(()));
}

/// Runs a command; its standard output, if it succeeds.
fn upfront(world: &World, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upfront"));
    command.args(arguments).env_remove("UPFRONT_ELECTRUM").env_remove("UPFRONT_SOCKS5");
    command.env("UPFRONT_NETWORK", "regtest").env("UPFRONT_DATA_DIR", world.service.data_dir());
    let done = command.output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() { Ok(said(&done.stdout)) } else { Err(said(&done.stdout) + &said(&done.stderr)) }
}

/// Every command that asks a server goes the same way: by the settings, or by what is said on the command line.
fn commands_go_the_same_way(world: &World, url: &str, pin: Option<&str>, socks5: Option<&str>) {
    let settings = world.service.settings();
    let settings = settings.to_str().unwrap();
    let tip = format!("up to block {}", world.node.height());
    let checked = upfront(world, &["config", "check", "--online", settings]).unwrap();
    assert!(checked.contains(&format!("ok    {url}")) && checked.contains(&tip), "{checked}");
    let found = upfront(world, &["--server", &world.service.url(), "doctor", "--config", settings]).unwrap();
    assert!(found.contains(url) && found.contains(&tip), "{found}");
    let balance = upfront(world, &["wallet", "balance", "--config", settings]).unwrap();
    assert!(balance.contains("100,000") || balance.contains("100000"), "{balance}");

    let named = pin.map_or(url.to_owned(), |pin| format!("{url}#{pin}"));
    let mut at = vec!["--electrum", &named];
    socks5.iter().for_each(|proxy| at.extend(["--socks5", proxy]));
    let wallet = ["wallet", "balance"];
    upfront(world, &[&wallet[..], &at].concat()).unwrap();
    let task = Task::open(world, 71, |_| ());
    let (service, id) = (world.service.url(), task.id().to_string());
    let verify = ["--server", &service, "verify", "--task", &id];
    let verified = upfront(world, &[&verify[..], &at].concat()).unwrap();
    assert!(!verified.is_empty());
    // Without what leads there, nobody is found and nothing is believed.
    let bare = upfront(world, &[&verify[..], &["--electrum", url]].concat());
    if pin.is_some() || url.contains(".invalid") {
        bare.unwrap_err();
    }
}

/// A deposit is seen, credited and proved over this connection.
fn credits(world: &World) {
    let api = world.api();
    let task = Task::open(world, 70, |_| ());
    let pledge = task.pledge(&api, &Sponsor::new(1), 100_000);
    let txid = world.node.send(pledge.address(), pledge.amount);
    let outpoint = world.node.outpoint(&txid, pledge.address());
    task.wait_seen(&api, &pledge, outpoint);
    task.secure(&api, &pledge, outpoint).unwrap();
    world.mine(1);
    assert_eq!(task.view(&api).totals.credited, pledge.amount);
}

#[test]
fn a_pinned_certificate_over_tls() {
    let node = Node::start();
    let server = Server::start_with_tls(&node);
    let (url, pin) = (server.tls_url("127.0.0.1"), server.fingerprint());
    let settings = format!("electrum = [{{ url = \"{url}\", certificate = \"{pin}\" }}]\n");
    let world = World::on(with_wallet(&settings), server, node);
    assert_eq!(world.api().status().unwrap().server, Some(url.clone()));
    credits(&world);
    fills_its_wallet(&world);
    commands_go_the_same_way(&world, &url, Some(&pin), None);
}

#[test]
fn tls_through_a_proxy_that_resolves_the_name() {
    let (node, socks) = (Node::start(), Socks::start());
    let server = Server::start_with_tls(&node);
    let (url, pin) = (server.tls_url("electrum.invalid"), server.fingerprint());
    let settings = format!(
        "electrum = [{{ url = \"{url}\", certificate = \"{pin}\" }}]\nsocks5 = \"{}\"\n",
        socks.address()
    );
    let world = World::on(with_wallet(&settings), server, node);
    credits(&world);
    // The name leads nowhere but through the proxy, and the certificate is good by its pin alone.
    fills_its_wallet(&world);
    commands_go_the_same_way(&world, &url, Some(&pin), Some(&socks.address()));
    let name = url.strip_prefix("ssl://").unwrap().to_owned();
    assert!(
        !socks.asked().is_empty() && socks.asked().iter().all(|asked| *asked == name),
        "{:?}",
        socks.asked()
    );
}

#[test]
fn plain_tcp_through_a_proxy() {
    let (node, socks) = (Node::start(), Socks::start());
    let server = Server::start(Make::Electrs, &node);
    let settings = format!("electrum = \"{}\"\nsocks5 = \"{}\"\n", server.url(), socks.address());
    let address = server.address();
    let (url, world) = (server.url(), World::on(with_wallet(&settings), server, node));
    credits(&world);
    let watcher = socks.asked().len();
    fills_its_wallet(&world);
    assert!(socks.asked().len() > watcher, "the wallet asks through the proxy");
    let before = socks.asked().len();
    commands_go_the_same_way(&world, &url, None, Some(&socks.address()));
    assert!(socks.asked().len() >= before + 5, "and so does every command");
    assert!(socks.asked().iter().all(|asked| *asked == address) && !socks.asked().is_empty());
}

#[test]
fn another_certificate_than_the_pinned_one_is_refused() {
    let node = Node::start();
    let server = Server::start_with_tls(&node);
    for certificate in [format!(", certificate = \"{}\"", "ab".repeat(32)), String::new()] {
        let url = server.tls_url("127.0.0.1");
        let settings = format!("electrum = [{{ url = \"{url}\"{certificate} }}]\n");
        let mut service = Service::with_settings(&settings);
        service.start(None);
        let error = wait_until("it is said", || service.api().status().ok()?.server_error);
        assert!(error.contains("certificate"), "{error}");
        assert_eq!(service.api().status().unwrap().tip, None, "nothing was believed");
    }
}

//! Ways to reach an Electrum server: TLS with a certificate of its own making that is pinned, and a SOCKS5
//! proxy that resolves the name; both at once, and a pin that is another certificate's.

use crate::harness::{Make, Node, Server, Service, Socks, Sponsor, Task, World, wait_until};

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
    let world = World::on(Service::with_settings(&settings), server, node);
    assert_eq!(world.api().status().unwrap().server, Some(url));
    credits(&world);
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
    let world = World::on(Service::with_settings(&settings), server, node);
    credits(&world);
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
    let world = World::on(Service::with_settings(&settings), server, node);
    credits(&world);
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

//! Several servers: who watches, who is asked, and what is told when they are of different minds.

use bitcoin::FeeRate;

use super::*;
use crate::chain::ServerState;

/// Servers with one chain.
async fn servers(count: usize, blocks: usize) -> Vec<Server> {
    let first = Server::start(blocks).await;
    let mut all = vec![first];
    for _ in 1..count {
        let next = Server::start(0).await;
        next.change(|m| m.copy(&all[0].model()));
        all.push(next);
    }
    all
}

fn spread(servers: &[Server], change: impl FnOnce(&mut crate::chain::testing::Model)) {
    servers[0].change(change);
    for other in &servers[1..] {
        other.change(|m| m.copy(&servers[0].model()));
    }
}

#[tokio::test]
async fn when_one_fails_another_takes_over_without_reading_everything_again() {
    let servers = servers(3, 12).await;
    let scripts: Vec<ScriptBuf> = (1..=20).map(script).collect();
    spread(&servers, |m| m.mine(scripts.iter().zip(1..).map(|(s, salt)| pay(salt, s, 50)).collect()));
    let mut client = Client::among(&servers.iter().collect::<Vec<_>>(), &scripts);
    let all = |c: &Client| scripts.iter().all(|s| c.deposits(s) == [(50, Some(13))]);
    client.until("all", all).await;
    let watching = |c: &Client| -> Vec<usize> {
        (0..3).filter(|at| c.status(*at).watches && c.status(*at).subscriptions == 20).collect()
    };
    client.looking("two watch", |c| watching(c).len() == 2).await;
    let first = watching(&client);
    let idle = (0..3).find(|at| !first.contains(at)).unwrap();
    servers[first[0]].stop();
    client.looking("another watches", |c| watching(c).contains(&idle)).await;
    // Statuses are those of what is proved: nothing is read again, by whichever server.
    let calls = |at: usize| servers[at].model().calls.get("blockchain.scripthash.get_history").copied();
    assert_eq!(calls(idle), None);
    assert!(client.reasons.is_empty(), "{:?}", client.reasons);
    for other in [first[1], idle] {
        servers[other].change(|m| m.mempool.push(pay(100, &scripts[3], 60)));
    }
    client.until("live", |c| c.deposits(&scripts[3]).len() == 2).await;
    servers[first[1]].stop();
    servers[idle].stop();
    client.until("all gone", |c| !c.reasons.is_empty() && c.alarm("no_server")).await;
    servers[first[0]].change(|m| m.mine(vec![]));
    servers[first[0]].restart().await;
    client.until("back", |c| c.height() == Some(14)).await;
    assert!(client.alarm("one_server"));
}

#[tokio::test]
async fn of_two_branches_the_one_with_more_work_wins_and_of_equals_ours() {
    let servers = servers(2, 12).await;
    let a = script(1);
    let mut client = Client::among(&[&servers[0], &servers[1]], std::slice::from_ref(&a));
    client
        .looking("both watch", |c| c.status(0).watches && c.status(1).watches && c.height() == Some(12))
        .await;
    servers[0].change(|m| m.mine(vec![pay(1, &a, 10)]));
    client.until("the first", |c| c.height() == Some(13) && c.deposits(&a) == [(10, Some(13))]).await;
    let ours = client.tip;
    servers[1].change(|m| {
        m.undo(0);
        m.mine(vec![pay(2, &a, 20)]);
    });
    client.looking("told", |c| c.alarm("disagreement")).await;
    assert_eq!((client.tip, client.deposits(&a)), (ours, vec![(10, Some(13))]), "of equals, ours");
    servers[1].change(|m| m.mine(vec![]));
    client.until("the heavier", |c| c.height() == Some(14) && c.deposits(&a) == [(20, Some(13))]).await;
    client
        .looking("the first is on another chain now", |c| c.alarm("disagreement") && !c.status(0).at_best_tip)
        .await;
    assert!(client.reasons.is_empty(), "a fork is no lie: {:?}", client.reasons);
    // To the only server that is left at a tip of equal work we go.
    servers[1].stop();
    servers[0].change(|m| m.mine(vec![]));
    client.until("theirs", |c| c.height() == Some(14) && c.deposits(&a) == [(10, Some(13))]).await;
}

#[tokio::test]
async fn a_long_reorg_is_told() {
    let servers = servers(1, 20).await;
    let mut client = Client::start(&servers[0], &[script(1)]);
    client.until("first", |c| c.height() == Some(20)).await;
    servers[0].change(|m| {
        m.undo(8);
        (0..9).for_each(|_| m.mine(vec![]));
    });
    client.until("followed", |c| c.height() == Some(21)).await;
    let told =
        client.chain.alarms().into_iter().any(|alarm| {
            matches!(alarm, crate::chain::ChainAlarm::LongReorg { depth: 8, fork_height: 12, .. })
        });
    assert!(told, "{:?}", client.chain.alarms());
}

#[tokio::test]
async fn a_transaction_goes_to_every_server_and_one_that_takes_it_is_enough() {
    let servers = servers(3, 3).await;
    let mut client = Client::among(&servers.iter().collect::<Vec<_>>(), &[]);
    let connected = |c: &Client| (0..3).all(|at| c.status(at).state == ServerState::Connected);
    client.looking("all", connected).await;
    let given = |txid| servers.iter().filter(|s| s.model().broadcast.contains(&txid)).count();
    let tx = pay(1, &script(1), 5);
    assert_eq!(client.chain.broadcast(tx.clone()).await, Ok(tx.compute_txid()));
    client.looking("everywhere", |_| given(tx.compute_txid()) == 3).await;
    for refusing in &servers[..2] {
        refusing.change(|m| m.accept_broadcast = Err("min relay fee not met".to_owned()));
    }
    let tx = pay(2, &script(1), 5);
    assert_eq!(client.chain.broadcast(tx.clone()).await, Ok(tx.compute_txid()), "one took it");
    assert_eq!(given(tx.compute_txid()), 1);
    servers[2].change(|m| m.stalled = true);
    let rejected = BroadcastError::Rejected { reason: "min relay fee not met".into() };
    assert_eq!(client.chain.broadcast(pay(3, &script(1), 5)).await, Err(rejected));
}

#[tokio::test]
async fn no_single_server_drives_fees() {
    let servers = servers(3, 3).await;
    let mut client = Client::among(&servers.iter().collect::<Vec<_>>(), &[]);
    client.looking("all", |c| (0..3).all(|at| c.status(at).state == ServerState::Connected)).await;
    assert_eq!(client.chain.estimate(6).await, None, "nobody can tell");
    for (server, estimate) in servers.iter().zip([0.00005, 0.00007, 1.0]) {
        server.change(|m| (m.feerate_btc_per_kvb, m.relay_btc_per_kvb) = (estimate, estimate / 5.0));
    }
    assert_eq!(client.chain.estimate(6).await, FeeRate::from_sat_per_vb(7));
    let relay = client.chain.relay_feerate().await.map(FeeRate::to_sat_per_kwu);
    assert!(relay.is_some_and(|rate| (350..=351).contains(&rate)), "{relay:?}");
    for nonsense in [-1.0, 0.0, 1e6] {
        servers.iter().for_each(|server| server.change(|m| m.feerate_btc_per_kvb = nonsense));
        assert_eq!(client.chain.estimate(6).await, None, "{nonsense}");
    }
}

#[tokio::test]
async fn who_takes_no_more_subscriptions_is_helped_out_by_another() {
    let servers = servers(2, 12).await;
    servers[0].change(|m| m.max_subscriptions = 5);
    let scripts: Vec<ScriptBuf> = (1..=20).map(script).collect();
    let mut config = config(&[&servers[0], &servers[1]]);
    config.watch_on = 1;
    let mut client = Client::at(config, &scripts, Arc::default());
    client.until("all", |c| c.views.len() == 20).await;
    client.looking("the other takes them", |c| c.status(1).subscriptions == 20).await;
    assert!(!client.alarm("subscriptions_refused"));
    // Without the other, the rest is looked at in turns, and that is told.
    servers[1].stop();
    client.looking("told", |c| c.alarm("subscriptions_refused")).await;
    servers[0].change(|m| m.mine(scripts.iter().zip(1..).map(|(s, salt)| pay(salt, s, 50)).collect()));
    client.until("all the same", |c| scripts.iter().all(|s| c.deposits(s) == [(50, Some(13))])).await;
}

#[tokio::test]
async fn who_is_not_ready_yet_is_asked_again_and_is_not_taken_to_be_full() {
    let servers = servers(1, 12).await;
    let scripts: Vec<ScriptBuf> = (1..=5).map(script).collect();
    // Refused for a moment; then so often that it is connected to again, which is no reason to watch less.
    for unready in [2_usize, 40] {
        servers[0].change(|m| m.unready = unready);
        let mut client = Client::among(&[&servers[0]], &scripts);
        client.until("all", |c| c.views.len() == 5).await;
        client.looking("all are watched", |c| c.status(0).subscriptions == 5).await;
        assert_eq!(servers[0].model().unready, 0);
        assert!(!client.alarm("subscriptions_refused"));
        servers[0].change(|m| m.mempool.push(pay(u32::try_from(unready).unwrap(), &scripts[4], 70)));
        client.until("heard of at once", |c| c.deposits(&scripts[4]).contains(&(70, None))).await;
    }
}

#[tokio::test]
async fn a_settled_script_is_left_alone_and_a_late_payment_found() {
    let servers = servers(2, 12).await;
    let (a, b) = (script(1), script(2));
    spread(&servers, |m| m.mine(vec![pay(1, &a, 10)]));
    let mut client = Client::among(&[&servers[0], &servers[1]], &[a.clone(), b.clone()]);
    client.until("first", |c| c.deposits(&a).len() == 1 && c.views.len() == 2).await;
    client.looking("both watch", |c| (0..2).all(|at| c.status(at).subscriptions == 2)).await;
    client.chain.retire(vec![a.clone()]);
    client.looking("unsubscribed", |c| (0..2).all(|at| c.status(at).subscriptions == 1)).await;
    let ended = || servers[0].model().calls.get("blockchain.scripthash.unsubscribe").copied();
    client.looking("ended", |_| ended() == Some(1)).await;
    spread(&servers, |m| m.mine(vec![pay(2, &a, 20)]));
    client.until("found", |c| c.deposits(&a).len() == 2).await;
    client.looking("live again", |c| (0..2).all(|at| c.status(at).subscriptions == 2)).await;
    spread(&servers, |m| m.mempool.push(pay(3, &a, 30)));
    client.until("live", |c| c.deposits(&a).len() == 3).await;
    // Watching a retired script makes it live as well, and is told whole.
    client.chain.retire(vec![b.clone()]);
    client.chain.watch(vec![b.clone()]);
    spread(&servers, |m| m.mempool.push(pay(4, &b, 40)));
    client.until("live", |c| c.deposits(&b) == [(40, None)]).await;
}

#[tokio::test]
async fn it_starts_with_no_server_at_all_and_recovers() {
    let servers = servers(2, 12).await;
    servers.iter().for_each(Server::stop);
    let mut client = Client::among(&[&servers[0], &servers[1]], &[script(1)]);
    client.until("said so", |c| c.reasons.len() >= 2).await;
    assert!(client.alarm("no_server") && client.tip.is_none());
    assert!(matches!(client.status(0).state, ServerState::Connecting { reason: Some(_) }));
    assert_eq!(client.chain.broadcast(pay(1, &script(1), 1)).await, Err(BroadcastError::Offline));
    servers[1].restart().await;
    client.until("there", |c| c.height() == Some(12)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_asks_the_next_server_when_one_cannot_be_used() {
    use crate::chain::oneshot::{OneShot, OneShotConfig};
    let servers = servers(2, 12).await;
    servers[0]
        .change(|m| m.blocks.last_mut().unwrap().header.prev_blockhash = m.blocks[3].header.block_hash());
    let at = |urls: String| {
        let config = OneShotConfig::new(&urls, None, Network::Regtest).unwrap();
        let connect = move || OneShot::connect(&config).map(|s| s.tip());
        tokio::task::spawn_blocking(connect)
    };
    let (bad, good) = (servers[0].url(), servers[1].url());
    let tip = at(format!("tcp://127.0.0.1:1, {bad},{good}")).await.unwrap().unwrap().unwrap();
    assert_eq!((tip.height, tip.hash), (12, servers[1].model().tip_hash()));
    assert!(matches!(at(bad).await.unwrap(), Err(ChainError::Wrong { .. })));
    assert!(matches!(at(String::new()).await.unwrap(), Err(ChainError::NoAnswer { .. })));
}

/// Twenty thousand live scripts, a real cut: all are subscribed to again, and not one history is read for it.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_scripts_are_watched_again_without_reading_a_history() {
    const SCRIPTS: usize = 20_000;
    let scripts: Vec<ScriptBuf> = (0..SCRIPTS)
        .map(|number| {
            let mut bytes = vec![0x51, 0x20];
            bytes.extend([7; 24]);
            bytes.extend(number.to_be_bytes());
            ScriptBuf::from_bytes(bytes)
        })
        .collect();
    // Few blocks: the double looks through all of them for each script.
    let server = Server::start(1).await;
    server.change(|m| m.mine(scripts[..4].iter().zip(1..).map(|(s, salt)| pay(salt, s, 50)).collect()));
    // One machine plays both ends, and other tests run beside: only silence is a failure.
    let mut config = config(&[&server]);
    config.request_timeout = Duration::from_secs(60);
    let mut client = Client::at(config, &scripts, Arc::default());
    let all = |c: &Client| c.views.len() == SCRIPTS && c.status(0).subscriptions == SCRIPTS;
    while !all(&client) {
        let update = timeout(Duration::from_secs(120), client.updates.recv()).await;
        client.apply(update.expect("the first round ends").expect("the watcher runs"));
    }
    let calls = |method: &str| server.model().calls.get(method).copied().unwrap_or_default();
    let (reads, asked) =
        (calls("blockchain.scripthash.get_history"), calls("blockchain.scripthash.subscribe"));
    assert!(reads >= 4 && asked == SCRIPTS, "{reads} {asked}");

    server.stop();
    client.until("cut", |c| !c.reasons.is_empty()).await;
    let since = std::time::Instant::now();
    server.restart().await;
    while !(client.connected == 2
        && client.status(0).subscriptions == SCRIPTS
        && client.status(0).at_best_tip)
    {
        assert!(since.elapsed() < Duration::from_secs(120), "{:?}", client.status(0));
        client.for_a_while(20).await;
    }
    assert_eq!(calls("blockchain.scripthash.subscribe"), 2 * SCRIPTS, "each once more");
    assert_eq!(calls("blockchain.scripthash.get_history") - reads, 0, "no history is read for a cut");
    // And they are live.
    server.change(|m| m.mempool.push(pay(101, &scripts[SCRIPTS - 1], 61)));
    client.until("live", |c| c.deposits(&scripts[SCRIPTS - 1]) == [(61, None)]).await;
    assert_eq!(calls("blockchain.scripthash.get_history") - reads, 1);
}

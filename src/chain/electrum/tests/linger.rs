//! What leaves the mempool: mined, replaced, or really gone.

use super::*;

/// Longer than any moment of these tests.
const LONG: Duration = Duration::from_secs(30);

fn lingering(server: &Server, watched: &[ScriptBuf], linger: Duration) -> Client {
    let mut config = config(&[server]);
    config.linger = linger;
    Client::at(config, watched, Arc::default())
}

/// Every state of a script's deposits that is told while `done` is waited for.
async fn told(
    client: &mut Client,
    of: &ScriptBuf,
    done: &[(u64, Option<u32>)],
) -> Vec<Vec<(u64, Option<u32>)>> {
    let mut states = vec![client.deposits(of)];
    while client.deposits(of) != done {
        let update = timeout(Duration::from_secs(10), client.updates.recv()).await;
        client.apply(update.expect("told in time").expect("the watcher runs"));
        let state = client.deposits(of);
        if states.last() != Some(&state) {
            states.push(state);
        }
    }
    states
}

#[tokio::test]
async fn what_leaves_the_mempool_just_before_its_block_is_known_is_not_told_as_gone() {
    let server = Server::start(12).await;
    let (a, b) = (script(1), script(2));
    let mut client = lingering(&server, &[a.clone(), b.clone()], LONG);
    let deposit = pay(1, &a, 70_000);
    server.change(|m| m.mempool.push(deposit.clone()));
    client.until("seen", |c| c.deposits(&a) == [(70_000, None)]).await;
    // The node has it in a block already, the server has not: it lists it nowhere.
    server.change(|m| m.mempool.clear());
    server.change(|m| m.mempool.push(pay(2, &b, 5)));
    client.until("the server was heard after that", |c| c.deposits(&b) == [(5, None)]).await;
    client.for_a_while(600).await;
    assert_eq!(client.deposits(&a), [(70_000, None)], "not told as gone");
    // Not with the tip alone either: the history of a script may come after it.
    server.change(|m| {
        m.omitted.insert(deposit.compute_txid());
        m.mine(vec![deposit.clone()]);
    });
    client.until("the tip", |c| c.height() == Some(13)).await;
    assert_eq!(client.deposits(&a), [(70_000, None)]);
    server.change(|m| m.omitted.clear());
    let states = told(&mut client, &a, &[(70_000, Some(13))]).await;
    assert_eq!(states, [vec![(70_000, None)], vec![(70_000, Some(13))]]);

    // The same for what spends it.
    let prevout = OutPoint { txid: deposit.compute_txid(), vout: 1 };
    let spend = tx(3, Some((prevout, Witness::from_slice(&[[0u8; 64]]))), &[(script(98), 60_000)]);
    server.change(|m| m.mempool.push(spend.clone()));
    client.until("spent", |c| c.views[&a].spends.len() == 1).await;
    server.change(|m| m.mempool.clear());
    client.for_a_while(600).await;
    assert_eq!(client.views[&a].spends.len(), 1);
    server.change(|m| m.mine(vec![spend]));
    client.until("mined", |c| c.views[&a].spends[0].confirmation.is_some()).await;
    assert!(client.reasons.is_empty(), "{:?}", client.reasons);
}

#[tokio::test]
async fn what_is_really_gone_is_told_after_a_moment_without_being_asked_for_again() {
    let server = Server::start(12).await;
    let a = script(1);
    let mut client = lingering(&server, std::slice::from_ref(&a), Duration::from_millis(700));
    server.change(|m| m.mempool.push(pay(1, &a, 70_000)));
    client.until("seen", |c| c.deposits(&a) == [(70_000, None)]).await;
    server.change(|m| m.mempool.clear());
    let since = std::time::Instant::now();
    client.until("gone", |c| c.deposits(&a).is_empty()).await;
    assert!(since.elapsed() >= Duration::from_millis(600), "after a moment");
    let reads = server.model().calls["blockchain.scripthash.get_history"];
    assert!(reads <= 2, "one history for each change: {reads}");
    // And it may come back.
    server.change(|m| m.mempool.push(pay(1, &a, 70_000)));
    client.until("back", |c| c.deposits(&a) == [(70_000, None)]).await;
}

#[tokio::test]
async fn a_replacement_is_told_at_once() {
    let server = Server::start(12).await;
    let a = script(1);
    let mut client = lingering(&server, std::slice::from_ref(&a), LONG);
    let (cheap, mut dear) = (pay(1, &a, 70_000), pay(1, &a, 69_000));
    dear.output[0].value = Amount::from_sat(500);
    assert_eq!(cheap.input[0].previous_output, dear.input[0].previous_output);
    server.change(|m| m.mempool.push(cheap));
    client.until("seen", |c| c.deposits(&a) == [(70_000, None)]).await;
    server.change(|m| m.mempool = vec![dear]);
    let states = told(&mut client, &a, &[(69_000, None)]).await;
    assert_eq!(states.len(), 2, "{states:?}");
}

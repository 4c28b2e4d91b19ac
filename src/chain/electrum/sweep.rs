//! Scripts that no subscription tells of: settled ones, and those that no server takes. Each is looked at once
//! in a while, on the servers in turn, so that a late payment is found all the same.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::ScriptBuf;

use super::Shared;
use super::connection::Connection;
use crate::chain::fetch;

/// Never faster than this.
const LEAST_PAUSE: Duration = Duration::from_millis(10);
/// How often one looks whether there is anything to sweep.
const IDLE: Duration = Duration::from_secs(1);

/// Sweeps for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    let (mut last, mut turn) = (None, 0);
    loop {
        let (next, count) = next(&shared, last.as_ref());
        let Some(script) = next else {
            last = None;
            tokio::time::sleep(IDLE.min(shared.config.sweep)).await;
            continue;
        };
        let pause = shared.config.sweep / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        tokio::time::sleep(pause.max(LEAST_PAUSE)).await;
        let servers = shared.connections(true);
        if let Some(server) = servers.get(turn % servers.len().max(1)) {
            turn = turn.wrapping_add(1);
            look(&shared, &script, server).await;
            last = Some(script);
        }
    }
}

/// The script after `last` in order, and how many there are.
fn next(shared: &Shared, last: Option<&ScriptBuf>) -> (Option<ScriptBuf>, usize) {
    let retired = shared.retired();
    let mut all = retired.clone();
    drop(retired);
    let watching = shared.servers.iter().enumerate().filter(|(_, server)| server.standing().watching);
    let watching: std::collections::BTreeSet<_> = watching.map(|(id, _)| id).collect();
    let full = watching.iter().any(|id| shared.servers[*id].standing().full);
    if full {
        all.extend(shared.scripts().unwatched(&watching));
    }
    let after = last.and_then(|last| {
        all.range::<ScriptBuf, _>((std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded)).next()
    });
    (after.or(all.first()).cloned(), all.len())
}

async fn look(shared: &Shared, script: &ScriptBuf, server: &Connection) {
    let (headers, cache) = (&shared.headers, &*shared.cache);
    // What fails is looked at again when its turn comes, on another server.
    let heard = match fetch::hear_script(server, headers, cache, script).await {
        Ok(heard) => heard,
        Err(error) => return tracing::debug!(%error, "a settled script could not be looked at"),
    };
    let view = shared.scripts().glance(script, &heard, headers, cache);
    match view {
        Ok(None) => {}
        Ok(Some(view)) => {
            tracing::info!("something moved at a settled script: it is watched again");
            if shared.retired().remove(script) {
                shared.scripts().add([script.clone()]);
                shared.look_again();
            }
            shared.tell(script.clone(), view);
        }
        Err(error) => tracing::debug!(%error, "a settled script could not be looked at"),
    }
}

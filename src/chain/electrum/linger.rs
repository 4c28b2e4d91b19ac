//! What was told as in no block, and is listed no more: it is shown for a moment longer.
//!
//! A server takes a transaction out of its mempool before it has indexed the block that it is mined in (electrs,
//! between two looks at its node). To tell it as gone then, and as mined a moment later, would be wrong twice: people
//! would read that their payment vanished, and what is gone is broadcast again. A real eviction is told as late as that,
//! a replacement that the script's own history shows at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bitcoin::{OutPoint, Transaction, Txid};

/// How many may linger at a script at once. A block takes few of one script; a server that makes up and takes back ever
/// more must not fill views with them.
const MOST: usize = 100;

/// What was last told of a script as in no block, each with since when nobody lists it.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeMap<Txid, (Arc<Transaction>, Option<Instant>)>);

impl Shown {
    /// Adds to `open`, which is listed now, what was shown before and is missing since less than `linger`, unless
    /// something of `mined` or `open` took its place. All of it is shown from now on. Says whether something must be
    /// looked at again, because the time alone will change it.
    pub(super) fn fill<'a>(
        &mut self,
        open: &mut BTreeMap<Txid, Arc<Transaction>>,
        mined: impl Iterator<Item = (Txid, &'a Transaction)>,
        now: Instant,
        linger: Duration,
    ) -> bool {
        let mut missing = std::mem::take(&mut self.0);
        missing.retain(|txid, _| !open.contains_key(txid));
        self.0 = open.iter().map(|(txid, tx)| (*txid, (Arc::clone(tx), None))).collect();
        if missing.is_empty() {
            return false;
        }
        let mut spent: BTreeSet<OutPoint> = open.values().flat_map(|tx| spends(tx)).collect();
        for (txid, tx) in mined {
            missing.remove(&txid);
            spent.extend(spends(tx));
        }
        let before = self.0.len();
        for (txid, (tx, since)) in missing {
            let since = since.unwrap_or(now);
            let replaced = spends(&tx).any(|prevout| spent.contains(&prevout));
            let room = self.0.len() < before + MOST;
            if room && !replaced && now.saturating_duration_since(since) < linger {
                open.insert(txid, Arc::clone(&tx));
                self.0.insert(txid, (tx, Some(since)));
            }
        }
        self.0.len() > before
    }
}

fn spends(tx: &Transaction) -> impl Iterator<Item = OutPoint> {
    tx.input.iter().map(|input| input.previous_output)
}

//! What holds for each watched script, from what several servers say. No I/O but the cache.
//!
//! A confirmation needs a proof under our own headers, and it does not matter who gave it: one server's
//! omission is healed by another, and what was proved once holds as long as its block is in the best chain,
//! whatever servers say later. What is in no block is nobody's to prove: it is shown when every server that
//! is asked lists it, so that a single liar can neither show nor hold up anything by making it up.
//!
//! A status is a hash over a history, so a status equal to the one our own knowledge hashes to shows that
//! there is nothing to read: for any server, on any connection, in any process.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, RwLock, Weak};
use std::time::{Duration, Instant};

use bitcoin::hashes::{Hash, sha256};
use bitcoin::{BlockHash, Script, ScriptBuf, Transaction, Txid};
use electrum_streaming_client::ElectrumScriptHash;

use super::connection::Status;
use super::linger::Shown;
use crate::chain::ChainCache;
use crate::chain::cache::ScriptRecord;
use crate::chain::fetch::{self, Heard};
use crate::chain::headers::HeaderChain;
use crate::chain::reconcile::{self, ReconcileError};
use crate::escrow::facts::{Confirmation, ScriptView};

/// Which server: its place in the configuration.
pub(super) type ServerId = usize;

/// Of one script, what one server listed.
#[derive(Clone, Debug)]
struct Said {
    /// The status that its history has.
    status: Status,
    /// What it listed outside of blocks.
    unconfirmed: BTreeMap<Txid, Arc<Transaction>>,
}

/// What is known of one script.
#[derive(Debug)]
pub(super) struct Entry {
    script: ScriptBuf,
    /// Proved to be mined, in blocks of the best chain.
    mined: BTreeMap<Txid, (Arc<Transaction>, Confirmation)>,
    said: BTreeMap<ServerId, Said>,
    /// The status each server gave last, which its history is (to be) read for.
    status: BTreeMap<ServerId, Status>,
    /// Servers that hold a subscription.
    subscribed: BTreeSet<ServerId>,
    /// Reads of a server that failed in a row.
    failed: BTreeMap<ServerId, u32>,
    /// A block was undone, and nobody was asked since.
    undone: bool,
    /// As last told.
    told: Option<ScriptView>,
    /// What was told of it as in no block.
    shown: Shown,
}

impl Entry {
    fn new(script: ScriptBuf) -> Self {
        Self {
            script,
            mined: BTreeMap::new(),
            said: BTreeMap::new(),
            status: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            failed: BTreeMap::new(),
            undone: false,
            told: None,
            shown: Shown::default(),
        }
    }

    /// The status of a history of exactly what is proved, and `mempool` after it.
    fn status_with(&self, mempool: Option<(Txid, i32)>) -> Status {
        let mut mined: Vec<(Confirmation, Txid)> =
            self.mined.iter().map(|(txid, (_, at))| (*at, *txid)).collect();
        mined.sort_unstable_by_key(|(at, _)| (at.height, at.position));
        let mut text: String = mined.iter().map(|(at, txid)| format!("{txid}:{}:", at.height)).collect();
        if let Some((txid, height)) = mempool {
            text += &format!("{txid}:{height}:");
        }
        (!text.is_empty()).then(|| sha256::Hash::hash(text.as_bytes()).to_byte_array())
    }

    /// Takes what the cache proves.
    fn restore(&mut self, chain: &RwLock<HeaderChain>, cache: &dyn ChainCache) -> BTreeSet<Txid> {
        let Some(ScriptRecord { view, .. }) = cache.script(&self.script) else { return BTreeSet::new() };
        let mut open = BTreeSet::new();
        if !fetch::still_proved(chain, cache, &self.script, &view) {
            return open;
        }
        let deposits = view.deposits.iter().map(|d| (d.outpoint.txid, d.confirmation));
        for (txid, confirmation) in deposits.chain(view.spends.iter().map(|s| (s.txid, s.confirmation))) {
            match (confirmation, cache.proof(txid)) {
                (Some(at), Some(proved)) => {
                    self.mined.insert(txid, (Arc::new(proved.transaction), at));
                }
                (Some(_), None) => {}
                (None, _) => {
                    open.insert(txid);
                }
            }
        }
        open
    }

    /// What a server with this status must have listed, if our own knowledge tells.
    fn known_by_status(&self, status: Status, open: &BTreeSet<Txid>, cache: &dyn ChainCache) -> Option<Said> {
        if let Some(said) = self.said.values().find(|said| said.status == status) {
            return Some(said.clone());
        }
        if status == self.status_with(None) {
            return Some(Said { status, unconfirmed: BTreeMap::new() });
        }
        let [txid] = open.iter().copied().collect::<Vec<_>>()[..] else { return None };
        if ![0, -1].iter().any(|height| self.status_with(Some((txid, *height))) == status) {
            return None;
        }
        let tx = Arc::new(fetch::cached_transaction(cache, txid)?);
        Some(Said { status, unconfirmed: BTreeMap::from([(txid, tx)]) })
    }

    /// What is in no block and holds all the same, counting the lists of `counting`.
    fn unconfirmed(&self, counting: &BTreeSet<ServerId>) -> BTreeMap<Txid, Arc<Transaction>> {
        let heard: Vec<&Said> = counting.iter().filter_map(|id| self.said.get(id)).collect();
        let Some((first, others)) = heard.split_first() else { return BTreeMap::new() };
        let agreed = |txid: &Txid| others.iter().all(|said| said.unconfirmed.contains_key(txid));
        let open =
            first.unconfirmed.iter().filter(|(txid, _)| agreed(txid) && !self.mined.contains_key(*txid));
        open.map(|(txid, tx)| (*txid, Arc::clone(tx))).collect()
    }

    /// What is mined, and `unconfirmed` beside it.
    fn view(&self, unconfirmed: &BTreeMap<Txid, Arc<Transaction>>) -> ScriptView {
        let mined = self.mined.iter().map(|(txid, (tx, at))| (*txid, &**tx, Some(*at)));
        let open = unconfirmed.iter().map(|(txid, tx)| (*txid, &**tx, None));
        let mut listed: Vec<(Txid, &Transaction, Option<Confirmation>)> = mined.chain(open).collect();
        listed.sort_unstable_by_key(|(txid, ..)| *txid);
        reconcile::assemble(&self.script, &listed)
    }
}

/// Every script of the live set, and what is known of it.
#[derive(Default)]
pub(super) struct Scripts {
    entries: HashMap<ElectrumScriptHash, Entry>,
    /// Raised when scripts come or go.
    generation: u64,
    /// What each server must be asked (again).
    dirty: HashMap<ServerId, HashSet<ElectrumScriptHash>>,
    /// What may have another view than was told.
    touched: HashSet<ElectrumScriptHash>,
    /// The tip up to which undone blocks were looked for.
    tip: Option<(u32, BlockHash)>,
    /// Subscriptions to be ended.
    leaving: HashMap<ServerId, Vec<ScriptBuf>>,
    /// One copy of each transaction, however many scripts it touches.
    transactions: HashMap<Txid, Weak<Transaction>>,
}

/// What became of a history that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is what its server's status says.
    Good,
    /// It hashes to something else than the status that the server gave.
    Contradicts,
}

impl Scripts {
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn add(&mut self, scripts: impl IntoIterator<Item = ScriptBuf>) -> bool {
        let before = self.entries.len();
        for script in scripts {
            let hash = ElectrumScriptHash::new(&script);
            self.entries.entry(hash).or_insert_with(|| Entry::new(script));
        }
        let grew = self.entries.len() > before;
        self.generation += u64::from(grew);
        grew
    }

    /// Forgets a script; its subscriptions are ended when their servers are next talked to.
    pub(super) fn remove(&mut self, script: &Script) {
        let hash = ElectrumScriptHash::new(script);
        let Some(entry) = self.entries.remove(&hash) else { return };
        self.dirty.values_mut().for_each(|dirty| {
            dirty.remove(&hash);
        });
        self.touched.remove(&hash);
        for server in entry.subscribed {
            self.leaving.entry(server).or_default().push(entry.script.clone());
        }
        self.generation += 1;
    }

    /// Scripts that a server does not watch yet.
    pub(super) fn missing(&self, server: ServerId) -> Vec<(ElectrumScriptHash, ScriptBuf)> {
        let missing = self.entries.iter().filter(|(_, entry)| !entry.subscribed.contains(&server));
        missing.map(|(hash, entry)| (*hash, entry.script.clone())).collect()
    }

    /// Scripts that none of these servers watches.
    pub(super) fn unwatched(&self, by: &BTreeSet<ServerId>) -> Vec<ScriptBuf> {
        let unwatched = self.entries.values().filter(|entry| entry.subscribed.is_disjoint(by));
        unwatched.map(|entry| entry.script.clone()).collect()
    }

    /// How many scripts a server watches.
    pub(super) fn subscriptions(&self, server: ServerId) -> usize {
        self.entries.values().filter(|entry| entry.subscribed.contains(&server)).count()
    }

    /// A connection ended, or watches no more: its subscriptions are gone. What it listed is kept for
    /// comparing statuses, and counts again when it watches again.
    pub(super) fn unsubscribed(&mut self, server: ServerId) {
        self.entries.values_mut().for_each(|entry| {
            entry.subscribed.remove(&server);
            entry.failed.remove(&server);
        });
        self.dirty.remove(&server);
        self.leaving.remove(&server);
    }

    /// A server lied: whatever it listed is forgotten.
    pub(super) fn forget(&mut self, server: ServerId) {
        self.unsubscribed(server);
        for (hash, entry) in &mut self.entries {
            entry.status.remove(&server);
            if entry.said.remove(&server).is_some() {
                entry.shown = Shown::default();
                self.touched.insert(*hash);
            }
        }
    }

    /// A server's status of a script, as it answers a subscription or tells by itself.
    pub(super) fn learn(
        &mut self,
        server: ServerId,
        hash: ElectrumScriptHash,
        status: Status,
        subscribed: bool,
        chain: &RwLock<HeaderChain>,
        cache: &dyn ChainCache,
    ) {
        let Some(entry) = self.entries.get_mut(&hash) else { return };
        if subscribed {
            entry.subscribed.insert(server);
        }
        entry.status.insert(server, status);
        let fresh = entry.said.is_empty() && entry.mined.is_empty();
        let open = if fresh { entry.restore(chain, cache) } else { BTreeSet::new() };
        let known = match entry.undone {
            // A transaction mined again at the same height leaves the status as it was.
            true if status.is_some() => None,
            _ => entry.known_by_status(status, &open, cache),
        };
        let dirty = self.dirty.entry(server).or_default();
        match known.or_else(|| status.is_none().then(|| Said { status, unconfirmed: BTreeMap::new() })) {
            Some(said) => {
                dirty.remove(&hash);
                entry.failed.remove(&server);
                entry.said.insert(server, said);
                entry.undone = false;
                self.touched.insert(hash);
            }
            None => {
                dirty.insert(hash);
            }
        }
    }

    /// What a server must be asked about.
    pub(super) fn dirty(&self, server: ServerId) -> Vec<(ElectrumScriptHash, ScriptBuf)> {
        let dirty = self.dirty.get(&server).into_iter().flatten();
        dirty.filter_map(|hash| Some((*hash, self.entries.get(hash)?.script.clone()))).collect()
    }

    pub(super) fn is_settled(&self, server: ServerId) -> bool {
        self.dirty.get(&server).is_none_or(HashSet::is_empty)
    }

    /// Notes a read that failed; says how often in a row.
    pub(super) fn failed(&mut self, server: ServerId, hash: ElectrumScriptHash) -> u32 {
        let Some(entry) = self.entries.get_mut(&hash) else { return 0 };
        let failed = entry.failed.entry(server).or_default();
        *failed += 1;
        *failed
    }

    /// Forgives failures: the chain moved, or the server is behind.
    pub(super) fn forgive(&mut self, server: ServerId) {
        self.entries.values_mut().for_each(|entry| {
            entry.failed.remove(&server);
        });
    }

    /// Takes in a history that a server gave for the script behind `hash`.
    ///
    /// # Errors
    /// If a confirmation in it is not proved under the headers as they are now.
    pub(super) fn take(
        &mut self,
        server: ServerId,
        hash: ElectrumScriptHash,
        heard: Heard,
        chain: &RwLock<HeaderChain>,
    ) -> Result<Taken, ReconcileError> {
        let Some(entry) = self.entries.get_mut(&hash) else { return Ok(Taken::Good) };
        let headers = fetch::read(chain);
        let mut proved = Vec::new();
        for (txid, (tx, proof)) in &heard.mined {
            proved.push((*txid, tx, reconcile::check_proof(*txid, tx, proof, &headers)?));
        }
        drop(headers);
        let transactions = &mut self.transactions;
        let mut shared = |txid: Txid, tx: &Transaction| {
            let kept = transactions.get(&txid).and_then(Weak::upgrade);
            kept.unwrap_or_else(|| {
                let tx = Arc::new(tx.clone());
                transactions.insert(txid, Arc::downgrade(&tx));
                tx
            })
        };
        for (txid, tx, at) in proved {
            entry.mined.insert(txid, (shared(txid, tx), at));
        }
        let unconfirmed = heard.unconfirmed.iter().map(|(txid, tx)| (*txid, shared(*txid, tx))).collect();
        let status = heard.status;
        entry.said.insert(server, Said { status, unconfirmed });
        entry.undone = false;
        self.touched.insert(hash);
        // The order within the mempool is not laid down before protocol 1.6.
        let contradicts = heard.exact && entry.status.get(&server) != Some(&status);
        if contradicts {
            return Ok(Taken::Contradicts);
        }
        entry.failed.remove(&server);
        if let Some(dirty) = self.dirty.get_mut(&server) {
            dirty.remove(&hash);
        }
        if transactions.len() > 2 * self.entries.len() + 1_000 {
            transactions.retain(|_, tx| tx.strong_count() > 0);
        }
        Ok(Taken::Good)
    }

    /// Gives up what a server was to be asked, and leaves what it said before.
    pub(super) fn give_up(&mut self, server: ServerId) {
        self.dirty.remove(&server);
    }

    /// The script behind a hash.
    pub(super) fn script(&self, hash: &ElectrumScriptHash) -> Option<ScriptBuf> {
        self.entries.get(hash).map(|entry| entry.script.clone())
    }

    /// Subscriptions of a server to scripts that were removed.
    pub(super) fn take_leaving(&mut self, server: ServerId) -> Vec<ScriptBuf> {
        self.leaving.remove(&server).unwrap_or_default()
    }

    /// Takes a history of a script that no subscription tells of. A view that is news is returned, proved
    /// under the headers as they are now.
    ///
    /// # Errors
    /// If a confirmation in it is not proved.
    pub(super) fn glance(
        &mut self,
        script: &Script,
        heard: &Heard,
        chain: &RwLock<HeaderChain>,
        cache: &dyn ChainCache,
    ) -> Result<Option<ScriptView>, ReconcileError> {
        let hash = ElectrumScriptHash::new(script);
        let mut unknown = Entry::new(script.to_owned());
        let entry = self.entries.get_mut(&hash).unwrap_or(&mut unknown);
        if entry.mined.is_empty() {
            entry.restore(chain, cache);
        }
        let before = entry.told.clone().unwrap_or_else(|| entry.view(&BTreeMap::new()));
        let headers = fetch::read(chain);
        for (txid, (tx, proof)) in &heard.mined {
            let at = reconcile::check_proof(*txid, tx, proof, &headers)?;
            entry.mined.insert(*txid, (Arc::new(tx.clone()), at));
        }
        entry.undone = false;
        let view = entry.view(&BTreeMap::new());
        if view == before {
            return Ok(None);
        }
        entry.told = Some(view.clone());
        cache.put_script(script, &ScriptRecord { status: heard.status, view: view.clone() });
        Ok(Some(view))
    }

    /// Takes back every confirmation in a block that is not ours any more; those scripts must be read
    /// again by every server. Cheap when the chain only grew. Says whether anything was undone.
    pub(super) fn undo(&mut self, headers: &HeaderChain) -> bool {
        let now = Some((headers.height(), headers.tip_hash()));
        let grew = self.tip.is_none_or(|(height, hash)| headers.hash(height) == Some(hash));
        self.tip = now;
        let mut undone = false;
        if grew {
            return undone;
        }
        for (hash, entry) in &mut self.entries {
            let before = entry.mined.len();
            entry.mined.retain(|_, (_, at)| headers.hash(at.height) == Some(at.block_hash));
            if entry.mined.len() < before {
                undone = true;
                entry.undone = true;
                entry.failed.clear();
                self.touched.insert(*hash);
                for server in &entry.subscribed {
                    self.dirty.entry(*server).or_default().insert(*hash);
                }
            }
        }
        undone
    }

    /// Views of the touched scripts that differ from what was told, each kept in the cache. `None` while
    /// something that a reorg undid was not read again. What is listed no more is shown on for `linger`.
    pub(super) fn news(
        &mut self,
        counting: &BTreeSet<ServerId>,
        cache: &dyn ChainCache,
        linger: Duration,
    ) -> Option<Vec<(ScriptBuf, ScriptView)>> {
        let now = Instant::now();
        if self.entries.values().any(|entry| entry.undone && !entry.subscribed.is_empty()) {
            return None;
        }
        let mut views = Vec::new();
        for hash in std::mem::take(&mut self.touched) {
            let Some(entry) = self.entries.get_mut(&hash) else { continue };
            if !counting.iter().any(|id| entry.said.contains_key(id)) {
                self.touched.insert(hash);
                continue;
            }
            let mut open = entry.unconfirmed(counting);
            let mined = entry.mined.iter().map(|(txid, (tx, _))| (*txid, &**tx));
            if entry.shown.fill(&mut open, mined, now, linger) {
                self.touched.insert(hash);
            }
            let view = entry.view(&open);
            if entry.told.as_ref() == Some(&view) {
                continue;
            }
            let status = counting.iter().find_map(|id| entry.said.get(id)).and_then(|said| said.status);
            let known = entry.told.is_none() && cache.script(&entry.script).is_some_and(|r| r.view == view);
            if !known {
                cache.put_script(&entry.script, &ScriptRecord { status, view: view.clone() });
            }
            entry.told = Some(view.clone());
            views.push((entry.script.clone(), view));
        }
        views.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Some(views)
    }

    /// Other servers count now: what is in no block may be judged otherwise.
    pub(super) fn recount(&mut self) {
        for (hash, entry) in &self.entries {
            if entry.said.values().any(|said| !said.unconfirmed.is_empty()) {
                self.touched.insert(*hash);
            }
        }
    }
}

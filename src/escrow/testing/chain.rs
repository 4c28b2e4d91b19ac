//! A chain and its mempool in memory: blocks with times of the test's choosing, replacements, reorgs, and
//! the views of scripts that a watcher would make of them. It checks what nodes check of a spend (inputs,
//! maturity, amounts, locktime against the median time past); scripts only where a test hands it a
//! [`Verify`], because the verifier is a development dependency.

use crate::escrow::facts::{Confirmation, Deposit, ScriptView, Spend, SpendPath, Tip};
use crate::escrow::pledge::COINBASE_MATURITY;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::opcodes::all::{OP_CLTV, OP_NUMEQUAL};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, BlockHash, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};
use std::collections::{BTreeMap, BTreeSet};

/// Checks the witness of one input, given everything the transaction spends.
pub type Verify = fn(&Transaction, usize, &[TxOut]) -> bool;

/// Seconds between blocks where a test does not say otherwise.
const SPACING_SECS: u32 = 600;
/// What every payer from outside has: more than anybody pledges.
const PURSE: Amount = Amount::from_sat(50_000_000_000);

/// Why a transaction is not taken into the mempool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It spends what is not there.
    Missing(OutPoint),
    /// A mined transaction spends it already.
    Spent(OutPoint),
    /// A coinbase of less than a hundred confirmations.
    Immature(OutPoint),
    /// More goes out than in.
    Value,
    /// Its locktime is not below the median time past.
    NotFinal,
    /// It replaces others without paying more.
    Fee,
    /// The witness of this input does not satisfy the script.
    Script(usize),
}

#[derive(Clone, Debug)]
struct Known {
    txid: Txid,
    transaction: Transaction,
}

/// A block.
#[derive(Clone, Debug)]
pub struct FakeBlock {
    /// Its hash.
    pub hash: BlockHash,
    /// Its own time, Unix seconds.
    pub time_secs: u32,
    transactions: Vec<Known>,
}

/// The chain, from height 0, and the mempool.
#[derive(Clone, Debug)]
pub struct FakeChain {
    blocks: Vec<FakeBlock>,
    mempool: Vec<Known>,
    /// What payers hold who are no part of the test.
    outside: BTreeMap<OutPoint, TxOut>,
    made: u64,
    verify: Option<Verify>,
}

impl FakeChain {
    /// Eleven blocks, all at `time_secs`, which is thus the median time past.
    pub fn new(time_secs: u32) -> FakeChain {
        let mut chain = FakeChain {
            blocks: Vec::new(),
            mempool: Vec::new(),
            outside: BTreeMap::new(),
            made: 0,
            verify: None,
        };
        for _ in 0..11 {
            chain.mine_at(time_secs);
        }
        chain
    }

    /// From here on witnesses are checked too, except of inputs from outside.
    pub fn verify_with(&mut self, verify: Verify) {
        self.verify = Some(verify);
    }

    /// The best block.
    pub fn tip(&self) -> Tip {
        let height = u32::try_from(self.blocks.len()).expect("a short chain") - 1;
        let (hash, mtp_secs) = self.block(height).expect("there is a block");
        Tip { height, hash, mtp_secs }
    }

    /// Hash and median time past of the block at `height`.
    pub fn block(&self, height: u32) -> Option<(BlockHash, u32)> {
        let at = usize::try_from(height).ok()?;
        let block = self.blocks.get(at)?;
        let mut times: Vec<u32> =
            self.blocks[at.saturating_sub(10)..=at].iter().map(|block| block.time_secs).collect();
        times.sort_unstable();
        Some((block.hash, times[times.len() / 2]))
    }

    fn next(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Something a payer outside holds.
    pub fn purse(&mut self) -> OutPoint {
        let made = self.next();
        let outpoint = OutPoint { txid: Txid::hash(&made.to_be_bytes()), vout: 0 };
        let prevout = TxOut { value: PURSE, script_pubkey: ScriptBuf::from_bytes(vec![0x51]) };
        self.outside.insert(outpoint, prevout);
        outpoint
    }

    /// Pays from outside, into the mempool; output i of the result pays `outputs[i]`.
    pub fn pay(&mut self, outputs: &[(ScriptBuf, Amount)]) -> Txid {
        let purse = self.purse();
        self.pay_from(purse, outputs)
    }

    /// The same to one script.
    pub fn pay_one(&mut self, script: &Script, amount: Amount) -> OutPoint {
        OutPoint { txid: self.pay(&[(script.to_owned(), amount)]), vout: 0 }
    }

    fn pay_from(&mut self, purse: OutPoint, outputs: &[(ScriptBuf, Amount)]) -> Txid {
        let made = self.next();
        let output =
            |(script, value): &(ScriptBuf, Amount)| TxOut { value: *value, script_pubkey: script.clone() };
        let mut output: Vec<TxOut> = outputs.iter().map(output).collect();
        // Makes every payment another transaction, as change does.
        let script_pubkey = ScriptBuf::from_bytes([&[0x6a, 8][..], &made.to_be_bytes()].concat());
        output.push(TxOut { value: Amount::ZERO, script_pubkey });
        let input = TxIn {
            previous_output: purse,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        };
        let transaction =
            Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output };
        let txid = transaction.compute_txid();
        self.mempool.push(Known { txid, transaction });
        txid
    }

    /// The payer replaces a payment from outside (BIP125): what it paid is void, `outputs` are paid
    /// instead. Also what double-spends a payment that a reorg has put back into the mempool.
    pub fn replace(&mut self, txid: Txid, outputs: &[(ScriptBuf, Amount)]) -> Txid {
        let known = self.mempool.iter().find(|known| known.txid == txid).expect("it is in the mempool");
        let purse = known.transaction.input[0].previous_output;
        self.drop_from_mempool(&txid);
        self.pay_from(purse, outputs)
    }

    /// Takes a transaction, and what spends it, out of the mempool.
    pub fn drop_from_mempool(&mut self, txid: &Txid) {
        self.mempool.retain(|known| known.txid != *txid);
        let dependants: Vec<Txid> = self
            .mempool
            .iter()
            .filter(|known| known.transaction.input.iter().any(|input| input.previous_output.txid == *txid))
            .map(|known| known.txid)
            .collect();
        dependants.iter().for_each(|dependant| self.drop_from_mempool(dependant));
    }

    /// Takes out of the mempool what spends outputs of the chain; payments from outside stay.
    pub fn mempool_cleared(&mut self) {
        self.mempool.retain(|known| {
            known.transaction.input.iter().all(|input| self.outside.contains_key(&input.previous_output))
        });
    }

    /// Whether it waits to be mined.
    pub fn in_mempool(&self, txid: &Txid) -> bool {
        self.mempool.iter().any(|known| known.txid == *txid)
    }

    /// Confirmations of a transaction; 0 where it is not mined.
    pub fn depth(&self, txid: &Txid) -> u32 {
        self.mined().find(|(_, known)| known.txid == *txid).map_or(0, |(at, _)| at.depth(&self.tip()))
    }

    /// A transaction, mined or not.
    pub fn transaction(&self, txid: &Txid) -> Option<&Transaction> {
        let mined = self.blocks.iter().flat_map(|block| &block.transactions);
        mined.chain(&self.mempool).find(|known| known.txid == *txid).map(|known| &known.transaction)
    }

    /// Every mined transaction.
    pub fn mined_transactions(&self) -> impl Iterator<Item = &Transaction> {
        self.blocks.iter().flat_map(|block| &block.transactions).map(|known| &known.transaction)
    }

    /// An output, mined or not, or from outside.
    pub fn output(&self, outpoint: &OutPoint) -> Option<TxOut> {
        if let Some(output) = self.outside.get(outpoint) {
            return Some(output.clone());
        }
        let vout = usize::try_from(outpoint.vout).ok()?;
        self.transaction(&outpoint.txid)?.output.get(vout).cloned()
    }

    fn mined(&self) -> impl Iterator<Item = (Confirmation, &Known)> {
        (0u32..).zip(&self.blocks).flat_map(move |(height, block)| {
            let (block_hash, mtp_secs) = self.block(height).expect("it is there");
            (0u32..).zip(&block.transactions).map(move |(position, known)| {
                (Confirmation { height, block_hash, position, mtp_secs }, known)
            })
        })
    }

    /// Checks a transaction as the next block would, and takes it into the mempool.
    pub fn broadcast(&mut self, transaction: &Transaction) -> Result<Txid, Rejected> {
        let txid = transaction.compute_txid();
        if self.in_mempool(&txid) || self.depth(&txid) > 0 {
            return Ok(txid);
        }
        let prevouts = self.check(transaction)?;
        let fee = |of: &Transaction, paid: &[TxOut]| {
            let sum = |outputs: &[TxOut]| outputs.iter().map(|output| output.value).sum::<Amount>();
            sum(paid).checked_sub(sum(&of.output))
        };
        let own = fee(transaction, &prevouts).ok_or(Rejected::Value)?;
        let spends: BTreeSet<OutPoint> = transaction.input.iter().map(|i| i.previous_output).collect();
        let conflicts: Vec<Known> = self
            .mempool
            .iter()
            .filter(|known| known.transaction.input.iter().any(|i| spends.contains(&i.previous_output)))
            .cloned()
            .collect();
        for known in &conflicts {
            let paid: Vec<TxOut> =
                known.transaction.input.iter().filter_map(|i| self.output(&i.previous_output)).collect();
            if fee(&known.transaction, &paid).is_some_and(|theirs| theirs >= own) {
                return Err(Rejected::Fee);
            }
        }
        conflicts.iter().for_each(|known| self.drop_from_mempool(&known.txid));
        self.mempool.push(Known { txid, transaction: transaction.clone() });
        Ok(txid)
    }

    /// What it spends, if the next block could hold it.
    pub fn check(&self, transaction: &Transaction) -> Result<Vec<TxOut>, Rejected> {
        let tip = self.tip();
        if !is_final(transaction, &tip) {
            return Err(Rejected::NotFinal);
        }
        let mut prevouts = Vec::new();
        for input in &transaction.input {
            let outpoint = input.previous_output;
            prevouts.push(self.output(&outpoint).ok_or(Rejected::Missing(outpoint))?);
            let spends =
                |known: &Known| known.transaction.input.iter().any(|i| i.previous_output == outpoint);
            if self.mined().any(|(_, known)| spends(known)) {
                return Err(Rejected::Spent(outpoint));
            }
            let made = self.mined().find(|(_, known)| known.txid == outpoint.txid);
            if made.is_some_and(|(at, _)| at.position == 0 && at.depth(&tip) < COINBASE_MATURITY) {
                return Err(Rejected::Immature(outpoint));
            }
        }
        if let Some(verify) = self.verify {
            for (at, input) in transaction.input.iter().enumerate() {
                if !self.outside.contains_key(&input.previous_output) && !verify(transaction, at, &prevouts) {
                    return Err(Rejected::Script(at));
                }
            }
        }
        Ok(prevouts)
    }

    /// Mines `blocks` blocks ten minutes apart, the mempool in the first of them.
    pub fn mine(&mut self, blocks: u32) {
        for _ in 0..blocks {
            let time = self.blocks.last().map_or(0, |block| block.time_secs) + SPACING_SECS;
            self.mine_at(time);
        }
    }

    /// Mines one block with the whole mempool.
    pub fn mine_at(&mut self, time_secs: u32) {
        let all: BTreeSet<Txid> = self.mempool.iter().map(|known| known.txid).collect();
        self.mine_block(time_secs, &all, Vec::new());
    }

    /// Mines one block with these transactions of the mempool.
    pub fn mine_only(&mut self, txids: &[Txid]) {
        let time = self.blocks.last().map_or(0, |block| block.time_secs) + SPACING_SECS;
        self.mine_block(time, &txids.iter().copied().collect(), Vec::new());
    }

    /// Mines one block whose coinbase pays a script.
    pub fn mine_to(&mut self, script: &Script, amount: Amount) -> OutPoint {
        let time = self.blocks.last().map_or(0, |block| block.time_secs) + SPACING_SECS;
        let output = TxOut { value: amount, script_pubkey: script.to_owned() };
        self.mine_block(time, &BTreeSet::new(), vec![output]);
        let block = self.blocks.last().expect("just mined");
        OutPoint { txid: block.transactions[0].txid, vout: 0 }
    }

    /// Empty blocks until the median time past is `mtp_secs`; does nothing if it is there already.
    pub fn advance_to(&mut self, mtp_secs: u32) {
        while self.tip().mtp_secs < mtp_secs {
            self.mine_block(mtp_secs, &BTreeSet::new(), Vec::new());
        }
        debug_assert!(self.tip().mtp_secs >= mtp_secs);
    }

    fn mine_block(&mut self, time_secs: u32, pick: &BTreeSet<Txid>, reward: Vec<TxOut>) {
        let made = self.next();
        let coinbase = Transaction {
            version: Version::TWO,
            // Makes each coinbase another transaction, as BIP34 does.
            lock_time: LockTime::from_consensus(u32::try_from(made).expect("a short test")),
            input: vec![TxIn { sequence: Sequence::MAX, ..TxIn::default() }],
            output: reward,
        };
        let mut transactions = vec![Known { txid: coinbase.compute_txid(), transaction: coinbase }];
        let tip = (!self.blocks.is_empty()).then(|| self.tip());
        let waiting = std::mem::take(&mut self.mempool);
        for known in waiting {
            let parent_waits = known
                .transaction
                .input
                .iter()
                .any(|input| self.mempool.iter().any(|other| other.txid == input.previous_output.txid));
            let ripe = tip.as_ref().is_some_and(|tip| is_final(&known.transaction, tip));
            if pick.contains(&known.txid) && ripe && !parent_waits {
                transactions.push(known);
            } else {
                self.mempool.push(known);
            }
        }
        let previous = self.blocks.last().map_or([0; 32], |block| block.hash.to_byte_array());
        let hash = BlockHash::hash(&[&previous[..], &made.to_be_bytes()].concat());
        self.blocks.push(FakeBlock { hash, time_secs, transactions });
    }

    /// Takes the best `blocks` blocks away; their transactions wait again, what spent their coinbases is
    /// gone.
    pub fn disconnect(&mut self, blocks: usize) {
        let kept = self.blocks.len().saturating_sub(blocks).max(11);
        let gone = self.blocks.split_off(kept);
        let mut coinbases = Vec::new();
        let mut back = Vec::new();
        for block in gone {
            let mut transactions = block.transactions.into_iter();
            coinbases.extend(transactions.next());
            back.extend(transactions);
        }
        back.append(&mut self.mempool);
        self.mempool = back;
        coinbases.iter().for_each(|known| self.drop_from_mempool(&known.txid));
    }

    /// What a watcher says of these scripts.
    pub fn views<'a>(
        &self,
        scripts: impl IntoIterator<Item = &'a ScriptBuf>,
    ) -> Vec<(ScriptBuf, ScriptView)> {
        let waiting = self.mempool.iter().map(|known| (None, known));
        let everything: Vec<(Option<Confirmation>, &Known)> =
            self.mined().map(|(at, known)| (Some(at), known)).chain(waiting).collect();
        let mut spends = BTreeMap::new();
        for (confirmation, known) in &everything {
            for (vin, input) in (0u32..).zip(&known.transaction.input) {
                let (prevout, txid) = (input.previous_output, known.txid);
                let path = path(&input.witness);
                spends.insert(prevout, Spend { prevout, txid, vin, path, confirmation: *confirmation });
            }
        }
        let view = |script: &ScriptBuf| {
            let mut deposits: Vec<Deposit> = everything
                .iter()
                .flat_map(|(confirmation, known)| {
                    (0u32..)
                        .zip(&known.transaction.output)
                        .filter(|(_, output)| output.script_pubkey == *script)
                        .map(|(vout, output)| Deposit {
                            outpoint: OutPoint { txid: known.txid, vout },
                            amount: output.value,
                            coinbase: known.transaction.is_coinbase(),
                            confirmation: *confirmation,
                        })
                })
                .collect();
            deposits.sort_by_key(|deposit| deposit.outpoint);
            let spends =
                deposits.iter().filter_map(|deposit| spends.get(&deposit.outpoint).copied()).collect();
            ScriptView { deposits, spends }
        };
        scripts.into_iter().map(|script| (script.clone(), view(script))).collect()
    }

    /// Mined outputs at these scripts that no mined transaction spends, counted from the blocks alone.
    pub fn mined_unspent(&self, scripts: &BTreeSet<ScriptBuf>) -> BTreeMap<OutPoint, Amount> {
        let mut unspent = BTreeMap::new();
        for known in self.blocks.iter().flat_map(|block| &block.transactions) {
            for input in &known.transaction.input {
                unspent.remove(&input.previous_output);
            }
            for (vout, output) in (0u32..).zip(&known.transaction.output) {
                if scripts.contains(&output.script_pubkey) {
                    unspent.insert(OutPoint { txid: known.txid, vout }, output.value);
                }
            }
        }
        unspent
    }

    /// What mined transactions ever paid to a script.
    pub fn received(&self, script: &Script) -> Amount {
        self.mined_transactions()
            .flat_map(|transaction| &transaction.output)
            .filter(|output| output.script_pubkey == *script)
            .map(|output| output.value)
            .sum()
    }
}

/// BIP113: a time lock must be below the median time past, a height lock below the next block's height.
fn is_final(transaction: &Transaction, tip: &Tip) -> bool {
    let enforced = transaction.input.iter().any(|input| input.sequence.enables_absolute_lock_time());
    !enforced
        || match transaction.lock_time {
            LockTime::Blocks(height) => height.to_consensus_u32() <= tip.height,
            LockTime::Seconds(time) => time.to_consensus_u32() < tip.mtp_secs,
        }
}

/// The way a spend of an escrow output took, by the last opcode of its leaf.
fn path(witness: &Witness) -> SpendPath {
    if witness.len() == 1 {
        return SpendPath::Key;
    }
    let leaf = witness.len().checked_sub(2).and_then(|at| witness.nth(at));
    match leaf.and_then(<[u8]>::last) {
        Some(last) if *last == OP_CLTV.to_u8() => SpendPath::Refund,
        Some(last) if *last == OP_NUMEQUAL.to_u8() => SpendPath::Cooperative,
        _ => SpendPath::Unknown,
    }
}

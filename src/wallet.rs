//! The operator's fee wallet: pays the network fees of refund batches, and nothing else. It has no power
//! over any pledge.
//!
//! This module alone names `bdk_wallet` and `bdk_electrum`; they hold public descriptors only. Signatures
//! are made in `signer.rs` by hand, where private keys are here: what bdk offers for signing wants every input
//! in a PSBT, and here hundreds of inputs are signed already. Where the descriptors are public, another program
//! signs (`external.rs`), and its answer is checked.
//!
//! Two files in one directory: `wallet.phrase` or `wallet.descriptor`, the secret (encrypted or not) or the
//! public descriptors, never overwritten; `wallet.state.json`, which can be rebuilt from the descriptors and the
//! chain, so that a lost or broken one costs a full scan and nothing more.
//!
//! All calls block. Electrum servers are reached as the watcher reaches them. Merkle proofs are checked against
//! the server's headers; the service holds those against its own ([`OperatorWallet::sync_on`]), commands do not.
//! What else a server says of this wallet's own money is believed: a lie makes a batch fail, it cannot take
//! anything.

mod descriptor;
mod external;
mod fund;
mod history;
mod offline;
mod signer;
mod spend;
mod state;
mod sync;

pub use external::ExternalSigner;
pub use fund::{BatchRequest, FundedBatch};
pub use history::{HistoryItem, Purpose};
pub use offline::{OfflineError, OfflineRule, OfflineSigned, OfflineSigner};
pub use signer::SignerError;
pub use spend::{PlannedSpend, SpendRequest};
pub use sync::{Judge, Word};

use crate::escrow::network::Network;
use crate::escrow::refund::BatchError;
use crate::keys::{KeyFileError, MAX_KEY_FILE_BYTES, Passphrase, Phrase, Stored};
use bdk_wallet::chain::CanonicalizationParams;
use bdk_wallet::{KeychainKind, Wallet};
use bitcoin::{Address, Amount, OutPoint, ScriptBuf, Transaction, TxOut, Txid, Witness};
use descriptor::{Branch, FeeKeys};
use fund::Candidate;
use signer::OwnInput;
use state::State;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// File with the words of a wallet made here.
pub const PHRASE_FILE: &str = "wallet.phrase";
/// File with the descriptors of a wallet made elsewhere: private ones, or public ones for another program to
/// sign for.
pub const DESCRIPTOR_FILE: &str = "wallet.descriptor";
/// What the chain said last.
pub const STATE_FILE: &str = "wallet.state.json";

/// How much of a server's answer goes into an error.
const MAX_DETAIL_CHARS: usize = 200;

/// Why the fee wallet cannot do what is asked. No variant holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// A file of secrets or state cannot be read or written.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// Both a phrase and a descriptor file: which one is meant?
    #[error("both {PHRASE_FILE} and {DESCRIPTOR_FILE} are in {}: keep one of them there", dir.display())]
    TwoSources {
        /// The directory.
        dir: PathBuf,
    },
    /// The descriptor file is not one this wallet can use.
    #[error("{}: {reason}", path.display())]
    BadDescriptor {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Keys, state or server belong to another network.
    #[error("{what} is of another network than {expected}")]
    WrongNetwork {
        /// What is.
        what: String,
        /// The configured network.
        expected: Network,
    },
    /// The server cannot be reached, or its answer makes no sense.
    #[error("Electrum server {server}: {detail}")]
    Server {
        /// Its URL.
        server: String,
        /// What went wrong.
        detail: String,
    },
    /// The server has blocks that nobody checked yet.
    #[error("Electrum server {server} is ahead, at block {height}")]
    Ahead {
        /// Its URL.
        server: String,
        /// Height of the block.
        height: u32,
    },
    /// The server follows another chain than ours.
    #[error("Electrum server {server} has another block {height} than the best chain")]
    OtherChain {
        /// Its URL.
        server: String,
        /// Height of the block.
        height: u32,
    },
    /// Nothing is known of the chain yet.
    #[error("the fee wallet was never synchronised: connect it to an Electrum server first")]
    NotSynced,
    /// No output that could pay a fee.
    #[error("the fee wallet has no spendable money: send some to its address")]
    Empty,
    /// Not enough for this fee.
    #[error("the fee is {needed}; the fee wallet has {available} for it: send more to its address")]
    InsufficientFunds {
        /// What the batch costs.
        needed: Amount,
        /// What the wallet can put in.
        available: Amount,
    },
    /// More than the operator allows.
    #[error("the fee would be {fee}; {limit} is the limit")]
    FeeAboveLimit {
        /// What the batch costs.
        fee: Amount,
        /// What is allowed.
        limit: Amount,
    },
    /// A transaction to be replaced is not one of this wallet's batches, so its fee is unknown.
    #[error("{txid} is no batch of this fee wallet: it cannot be replaced")]
    UnknownReplaced {
        /// The transaction.
        txid: Txid,
    },
    /// The refunds do not go together.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Nobody signed, or not what was asked for.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A payment out of the wallet cannot be put together.
    #[error("the payment cannot be made: {detail}")]
    Spend {
        /// Why.
        detail: String,
    },
    /// The finished transaction is not what was asked for; it is not handed out.
    #[error("the batch that was built is not the batch that was asked for: {what}")]
    Broken {
        /// What differs.
        what: &'static str,
    },
}

/// What the wallet holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// In confirmed outputs, without immature coinbase outputs.
    pub confirmed: Amount,
    /// Not yet confirmed, and coinbase outputs below 100 confirmations.
    pub pending: Amount,
    /// What a fee can be paid with now: confirmed outputs, and the change of this wallet's own
    /// unconfirmed batches.
    pub spendable: Amount,
}

/// The operator's fee wallet.
pub struct OperatorWallet {
    network: Network,
    keys: FeeKeys,
    wallet: Wallet,
    state: State,
    signer: Option<ExternalSigner>,
    /// The state on the disk is another process's: nothing is written.
    read_only: bool,
}

impl fmt::Debug for OperatorWallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorWallet")
            .field("network", &self.network)
            .field("tip_height", &self.tip_height())
            .field("balance", &self.balance())
            .finish_non_exhaustive()
    }
}

impl OperatorWallet {
    /// Makes a new wallet in `dir`, its words left readable for whoever reads the file. See
    /// [`OperatorWallet::create_with`].
    pub fn create(dir: &Path, network: Network) -> Result<OperatorWallet, WalletError> {
        OperatorWallet::create_with(dir, network, None)
    }

    /// Makes a new wallet in `dir`: twelve new words in `wallet.phrase` (mode 0600, encrypted where a passphrase
    /// is given), BIP86 keys at `m/86'/coin'/0'`.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] where `dir` has a wallet already.
    pub fn create_with(
        dir: &Path,
        network: Network,
        passphrase: Option<&Passphrase>,
    ) -> Result<OperatorWallet, WalletError> {
        let descriptors = dir.join(DESCRIPTOR_FILE);
        if descriptors.exists() {
            return Err(KeyFileError::Exists { path: descriptors }.into());
        }
        std::fs::create_dir_all(dir).map_err(|source| KeyFileError::File {
            action: "cannot write",
            path: dir.to_owned(),
            source,
        })?;
        let phrase = Phrase::generate()?;
        let comment = format!(
            "Upfront's fee wallet on {network}: pays network fees. BIP86, m/86'/{}'/0'.\nWhoever reads these words can spend its money.",
            network.coin_type()
        );
        phrase.write_new(&dir.join(PHRASE_FILE), &comment, passphrase)?;
        OperatorWallet::load(dir, network, FeeKeys::from_phrase(&phrase, network))
    }

    /// Opens the wallet in `dir`, which must not be encrypted; `None` where there is none.
    ///
    /// # Errors
    /// As [`OperatorWallet::open_with`]; [`KeyFileError::Locked`] where it is encrypted.
    pub fn open(dir: &Path, network: Network) -> Result<Option<OperatorWallet>, WalletError> {
        OperatorWallet::open_with(dir, network, |path| {
            Err(KeyFileError::Locked { path: path.to_owned() }.into())
        })
    }

    /// Opens the wallet in `dir`; `None` where there is none. `unlock` is asked for the passphrase of an
    /// encrypted one.
    ///
    /// # Errors
    /// [`WalletError::TwoSources`], [`WalletError::BadDescriptor`], [`WalletError::WrongNetwork`],
    /// [`WalletError::File`], and what `unlock` says. A broken state file is no error.
    pub fn open_with<E: From<KeyFileError> + From<WalletError>>(
        dir: &Path,
        network: Network,
        unlock: impl FnOnce(&Path) -> Result<Passphrase, E>,
    ) -> Result<Option<OperatorWallet>, E> {
        let (phrase, descriptors) = (dir.join(PHRASE_FILE), dir.join(DESCRIPTOR_FILE));
        let keys = match (phrase.exists(), descriptors.exists()) {
            (false, false) => return Ok(None),
            (true, true) => return Err(WalletError::TwoSources { dir: dir.to_owned() }.into()),
            (true, false) => {
                let words = Stored::read_file(&phrase, MAX_KEY_FILE_BYTES)?.open(unlock)?;
                FeeKeys::from_phrase(&Phrase::from_bytes(&words)?, network)
            }
            (false, true) => {
                let text = Stored::read_file(&descriptors, MAX_KEY_FILE_BYTES)?.open(unlock)?;
                FeeKeys::parse(&descriptors, &text, network)?
            }
        };
        Ok(Some(OperatorWallet::load(dir, network, keys)?))
    }

    fn load(dir: &Path, network: Network, keys: FeeKeys) -> Result<OperatorWallet, WalletError> {
        let (state, wallet) = State::load(dir.join(STATE_FILE), network, &keys)?;
        Ok(OperatorWallet { network, keys, wallet, state, signer: None, read_only: false })
    }

    /// Writes nothing from here on: another process, the service, keeps the state.
    #[must_use]
    pub fn read_only(mut self) -> OperatorWallet {
        self.read_only = true;
        self
    }

    /// Whether the private keys are with another program.
    pub fn is_watch_only(&self) -> bool {
        !self.keys.can_sign()
    }

    /// Names the program that signs where the descriptors are public.
    pub fn set_signer(&mut self, signer: ExternalSigner) {
        self.signer = Some(signer);
    }

    fn persist(&mut self) -> Result<(), WalletError> {
        if self.read_only {
            return Ok(());
        }
        Ok(self.state.persist(&mut self.wallet)?)
    }

    /// Witnesses of our inputs: signed here, or by the program that has the keys.
    fn sign(
        &mut self,
        tx: &Transaction,
        prevouts: &[TxOut],
        own: &[OwnInput],
        change: Option<usize>,
    ) -> Result<Vec<Witness>, WalletError> {
        for input in own {
            let script = self.keys.definite(input.branch, input.index).map(|key| key.script_pubkey());
            if script.is_none() || script.as_ref() != prevouts.get(input.at).map(|out| &out.script_pubkey) {
                return Err(WalletError::Broken { what: "a fee input is not this wallet's" });
            }
        }
        if self.keys.can_sign() {
            return Ok(signer::sign_here(&self.keys, tx, prevouts, own)?);
        }
        let change = change.and_then(|at| {
            let (branch, index) = self.owner(&tx.output.get(at)?.script_pubkey)?;
            Some((at, branch, index))
        });
        let graph = self.wallet.tx_graph();
        let previous = |txid| graph.get_tx(txid).map(|tx| tx.as_ref().clone());
        let psbt = signer::request(&self.keys, tx, prevouts, own, change, &previous)?;
        let program = self.signer.as_mut().ok_or(SignerError::None)?;
        let keys = &self.keys;
        Ok(program.sign(&psbt, |answer| signer::read_answer(keys, &psbt, answer, prevouts, own))?)
    }

    /// The network it is on.
    pub fn network(&self) -> Network {
        self.network
    }

    /// Height of the last block it knows.
    pub fn tip_height(&self) -> u32 {
        self.wallet.latest_checkpoint().height()
    }

    /// What it holds, as of the last [`OperatorWallet::sync`].
    pub fn balance(&self) -> Balance {
        let balance = self.wallet.balance();
        Balance {
            confirmed: balance.confirmed,
            pending: balance.trusted_pending + balance.untrusted_pending + balance.immature,
            spendable: balance.confirmed + balance.trusted_pending,
        }
    }

    /// The address to send money for fees to: the lowest one that was not used yet.
    pub fn address(&mut self) -> Result<Address, WalletError> {
        let address = self.wallet.next_unused_address(KeychainKind::External).address;
        self.persist()?;
        Ok(address)
    }

    /// The script that the next batch's change goes to. Not another one each time: an index is used up
    /// when a transaction uses it, so that a scan of the chain finds them all.
    pub fn next_change_script(&mut self) -> Result<ScriptBuf, WalletError> {
        let script = self.wallet.next_unused_address(KeychainKind::Internal).address.script_pubkey();
        self.persist()?;
        Ok(script)
    }

    /// Tells the wallet of a transaction that was broadcast, before a server does: its inputs are spent
    /// and its change is pending. `now_secs` is Unix time by the wall clock. One that a later [`OperatorWallet::sync`] does
    /// not see is dropped again.
    pub fn note_broadcast(&mut self, transaction: &Transaction, now_secs: u64) -> Result<(), WalletError> {
        self.wallet.apply_unconfirmed_txs([(transaction.clone(), now_secs)]);
        self.persist()
    }

    /// Puts refund pairs into one transaction, pays its fee from this wallet and signs it.
    ///
    /// # Errors
    /// [`WalletError::NotSynced`], [`WalletError::Empty`], [`WalletError::InsufficientFunds`],
    /// [`WalletError::FeeAboveLimit`], [`WalletError::UnknownReplaced`], [`WalletError::Batch`].
    pub fn fund_batch(&mut self, request: &BatchRequest<'_>) -> Result<FundedBatch, WalletError> {
        if !self.state.scanned {
            return Err(WalletError::NotSynced);
        }
        let replaced: Vec<fund::Replaced> =
            request.replaces.iter().map(|old| self.replaced(old)).collect::<Result<_, _>>()?;
        // A fee war must not use up an address with each step.
        let earlier = replaced.iter().find_map(|old| old.change_script.clone());
        let change_script = match earlier.filter(|script| self.owner(script).is_some()) {
            Some(script) => script,
            None => self.next_change_script()?,
        };
        let candidates = self.candidates(request, &replaced);
        let planned = fund::plan(self.keys.input_weight(), request, &replaced, candidates, change_script)?;
        let (tx, prevouts) = (planned.batch.transaction.clone(), planned.batch.prevouts.clone());
        let witnesses = self.sign(&tx, &prevouts, &planned.own(), planned.change())?;
        planned.finish(witnesses)
    }

    fn owner(&self, script: &ScriptBuf) -> Option<(Branch, u32)> {
        let (keychain, index) = self.wallet.derivation_of_spk(script.clone())?;
        Some((branch(keychain), index))
    }

    /// What a batch to be replaced pays: pairs come first and pay nothing, the rest is this wallet's.
    fn replaced(&self, old: &Transaction) -> Result<fund::Replaced, WalletError> {
        let txid = old.compute_txid();
        let unknown = || WalletError::UnknownReplaced { txid };
        let mut fee_inputs = Vec::new();
        let mut paid_in = Amount::ZERO;
        for input in &old.input {
            if let Some((_, txout)) = self.wallet.spk_index().txout(input.previous_output) {
                fee_inputs.push(input.previous_output);
                paid_in = paid_in.checked_add(txout.value).ok_or_else(unknown)?;
            }
        }
        let pairs = old.input.len() - fee_inputs.len();
        let change = old.output.get(pairs..).ok_or_else(unknown)?;
        let paid_back = change
            .iter()
            .try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value))
            .ok_or_else(unknown)?;
        if fee_inputs.is_empty() || change.len() > 1 {
            return Err(unknown());
        }
        Ok(fund::Replaced {
            txid,
            fee_inputs,
            fee: paid_in.checked_sub(paid_back).ok_or_else(unknown)?,
            weight: old.weight(),
            change_script: change.first().map(|output| output.script_pubkey.clone()),
        })
    }

    /// Outputs that may pay: in the chain or our own change, mature, and not spent but by what is replaced.
    fn candidates(&self, request: &BatchRequest<'_>, replaced: &[fund::Replaced]) -> Vec<Candidate> {
        let again: HashSet<OutPoint> = replaced.iter().flat_map(|old| old.fee_inputs.clone()).collect();
        let gone: HashSet<Txid> = replaced.iter().map(|old| old.txid).collect();
        let chain = self.wallet.local_chain();
        let tip = chain.tip().block_id();
        let owned = self.wallet.spk_index().outpoints().iter().cloned();
        self.wallet
            .tx_graph()
            .filter_chain_txouts(chain, tip, CanonicalizationParams::default(), owned)
            .filter_map(|((keychain, index), output)| {
                let reused = again.contains(&output.outpoint);
                let free = match &output.spent_by {
                    None => true,
                    // By the batch to be replaced, or by an earlier form of it.
                    Some((position, _)) => reused && !position.is_confirmed(),
                };
                let confirmed = output.chain_position.is_confirmed();
                // Somebody else's unconfirmed payment may vanish, and the batch with it.
                let trusted = confirmed || keychain == KeychainKind::Internal;
                // BIP125 rule 2: a replacement brings in no new unconfirmed input.
                let allowed = confirmed || reused || replaced.is_empty();
                let avoided = request.avoid.contains(&output.outpoint) && !reused;
                let usable = free
                    && trusted
                    && allowed
                    && !avoided
                    && output.is_mature(tip.height)
                    && !gone.contains(&output.outpoint.txid);
                usable.then_some(Candidate {
                    outpoint: output.outpoint,
                    prevout: output.txout,
                    branch: branch(keychain),
                    index,
                    confirmed,
                    reused,
                })
            })
            .collect()
    }
}

fn server_error(server: &str, detail: &str) -> WalletError {
    let detail = detail.chars().filter(|c| !c.is_control()).take(MAX_DETAIL_CHARS).collect();
    WalletError::Server { server: server.to_owned(), detail }
}

fn branch(keychain: KeychainKind) -> Branch {
    match keychain {
        KeychainKind::External => Branch::External,
        KeychainKind::Internal => Branch::Internal,
    }
}

#[cfg(test)]
mod tests;

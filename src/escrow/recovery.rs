//! The recovery file of one pledge: all a sponsor needs to get the money back when the service, its
//! operator and this program's site are gone.
//!
//! A [`RecoveryFile`] that exists was derived again from its own charter and keys: whoever reads one
//! compares every field with what follows from the others, and names the field that does not fit. The
//! file is secret: it holds the sponsor's key, and the words where the sponsor wants them in it. `Debug`
//! shows none of that; [`RecoveryFile::to_json`] and [`RecoveryFile::phrase`] alone do.
//!
//! Not checked here: that the words give the key and the refund address at the paths named. The core
//! knows no BIP39; the program's key module does it.

mod document;
mod error;

pub use error::RecoveryError;

use super::charter::Charter;
use super::descriptor::{Contract, DescriptorError, EscrowOutput, Slot};
use super::refund::{RefundBundle, RefundTarget};
use super::signature::{Speaker, StatementSignature};
use super::statement::{Pledge, Role, Signed};
use bitcoin::absolute::LockTime;
use bitcoin::secp256k1::{Keypair, Secp256k1, Signing, Verification};
use bitcoin::{Amount, OutPoint, PrivateKey, Transaction};
use miniscript::descriptor::checksum::desc_checksum;
use std::fmt;

/// Longest file read, in bytes: some 600 outpoints.
pub const MAX_RECOVERY_BYTES: usize = 4_194_304;

/// The sponsor's own words and where in their tree this pledge's keys are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// i of `m/86'/coin'/1'/0/i`, the path of the sponsor's key; `None` for a key of another wallet.
    pub sponsor_key_index: Option<u32>,
    /// j of `m/86'/coin'/0'/0/j`, the path of the refund address; `None` for an address of another wallet.
    pub refund_address_index: Option<u32>,
    /// The words, unless the sponsor keeps them elsewhere.
    pub phrase: Option<String>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("sponsor_key_index", &self.sponsor_key_index)
            .field("refund_address_index", &self.refund_address_index)
            .field("phrase", &self.phrase.as_ref().map(|_| "secret"))
            .finish()
    }
}

/// A checked recovery file.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryFile {
    charter: Charter,
    contract: Contract,
    attestations: [StatementSignature; 3],
    pledge: Signed<Pledge>,
    output: EscrowOutput,
    key: Option<Keypair>,
    origin: Origin,
    /// One for each outpoint, in the order they were added.
    bundles: Vec<RefundBundle>,
}

impl fmt::Debug for RecoveryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoveryFile")
            .field("charter", &self.charter.id())
            .field("index", &self.pledge.statement.index)
            .field("address", &self.output.address)
            .field("key", &self.key.map(|_| "secret"))
            .field("origin", &self.origin)
            .field("outpoints", &self.bundles.iter().map(|b| b.target().outpoint()).collect::<Vec<_>>())
            .finish()
    }
}

/// A signed transaction of a recovery file that anybody can broadcast when its time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyTransaction {
    /// What it spends.
    pub outpoint: OutPoint,
    /// Feerate, sat/vB. 0 for the pair, which pays no fee: it needs another input to be relayed.
    pub sat_per_vb: u64,
    /// Valid once the median time past (BIP113) exceeds it.
    pub lock_time: LockTime,
    /// Signed.
    pub transaction: Transaction,
}

impl RecoveryFile {
    /// The file of a pledge, before anything is paid: no outpoints yet.
    ///
    /// `key` is the sponsor's, `None` where another wallet signs.
    ///
    /// # Errors
    /// Where pledge, attestations, key and charter do not belong together; see [`RecoveryError`].
    pub fn new<C: Signing + Verification>(
        secp: &Secp256k1<C>,
        charter: Charter,
        attestations: [StatementSignature; 3],
        pledge: Signed<Pledge>,
        key: Option<Keypair>,
        origin: Origin,
    ) -> Result<RecoveryFile, RecoveryError> {
        let differs = |field: &str| RecoveryError::Mismatch { field: field.into() };
        for (role, signature) in Role::ALL.into_iter().zip(&attestations) {
            charter
                .verify_attestation(secp, role, signature)
                .map_err(|_| RecoveryError::Signature { field: format!("attestations.{role}") })?;
        }
        let statement = &pledge.statement;
        if statement.network != charter.network() {
            return Err(differs("network"));
        }
        if statement.charter != charter.id() {
            return Err(differs("charter_id"));
        }
        let contract = Contract::new(&charter)?;
        let output = contract.pledge(secp, Slot::pledge(statement.index), statement.sponsor_key)?;
        pledge
            .verify(secp, &Speaker::sponsor(statement.sponsor_key))
            .map_err(|_| RecoveryError::Signature { field: "pledge_signature".into() })?;
        if key.is_some_and(|key| key.x_only_public_key().0 != statement.sponsor_key) {
            return Err(differs("private_descriptor"));
        }
        for (field, index) in
            [("sponsor_key_path", origin.sponsor_key_index), ("refund_path", origin.refund_address_index)]
        {
            if index.is_some_and(|index| index > super::descriptor::MAX_INDEX) {
                return Err(RecoveryError::Unreadable { field: field.into() });
            }
        }
        Ok(RecoveryFile { charter, contract, attestations, pledge, output, key, origin, bundles: Vec::new() })
    }

    /// Adds the refund of an outpoint, or replaces the one that is there (an amount corrected by a
    /// reorg, a ladder added to a pair).
    ///
    /// # Errors
    /// [`RecoveryError::OtherPledge`] where it refunds something else than this pledge.
    pub fn add_refund(&mut self, bundle: RefundBundle) -> Result<(), RecoveryError> {
        let (outpoint, amount) = (bundle.target().outpoint(), bundle.target().amount());
        let generation = bundle.target().output().slot.generation;
        let target = self.target_at(&Secp256k1::verification_only(), generation, outpoint, amount)?;
        if *bundle.target() != target {
            return Err(RecoveryError::OtherPledge { outpoint });
        }
        match self.bundles.iter_mut().find(|held| held.target().outpoint() == outpoint) {
            Some(held) => *held = bundle,
            None => self.bundles.push(bundle),
        }
        Ok(())
    }

    /// What refunding `outpoint` of this pledge means: for an outpoint found on the chain that the file
    /// does not list, sign it with [`RefundBundle::sign`] and [`RecoveryFile::key`].
    pub fn target(&self, outpoint: OutPoint, amount: Amount) -> RefundTarget {
        RefundTarget::new(self.output.clone(), outpoint, amount, &self.pledge.statement.refund_address)
            .expect("a pledge has a refund leaf")
    }

    /// As [`RecoveryFile::target`], of an output at a later generation of the pledge's address: of what a milestone
    /// left in escrow.
    ///
    /// # Errors
    /// Where there is no such generation.
    pub fn target_at<C: Verification>(
        &self,
        secp: &Secp256k1<C>,
        generation: u32,
        outpoint: OutPoint,
        amount: Amount,
    ) -> Result<RefundTarget, DescriptorError> {
        let output = self.output_at(secp, generation)?;
        Ok(RefundTarget::new(output, outpoint, amount, &self.pledge.statement.refund_address)
            .expect("a pledge has a refund leaf"))
    }

    /// The pledge's output at a generation of its address; 0 is the one that is paid at first.
    ///
    /// # Errors
    /// Where there is no such generation.
    pub fn output_at<C: Verification>(
        &self,
        secp: &Secp256k1<C>,
        generation: u32,
    ) -> Result<EscrowOutput, DescriptorError> {
        if generation == self.output.slot.generation {
            return Ok(self.output.clone());
        }
        let Pledge { index, sponsor_key, .. } = self.pledge.statement;
        self.contract.pledge(secp, Slot { index, generation }, sponsor_key)
    }

    /// The generations at which money of the pledge can be: each milestone that is paid by itself leaves what
    /// remains at the next one.
    pub fn generations(&self) -> impl Iterator<Item = u32> + use<> {
        let milestones = self.charter.milestones();
        0..=if milestones > 1 { milestones } else { 0 }
    }

    /// Every signed transaction of the file: for each outpoint the pair, then the rungs from the lowest.
    pub fn ready_transactions(&self) -> Vec<ReadyTransaction> {
        let mut ready = Vec::new();
        for bundle in &self.bundles {
            let outpoint = bundle.target().outpoint();
            let mut push = |sat_per_vb, transaction: Transaction| {
                let lock_time = transaction.lock_time;
                ready.push(ReadyTransaction { outpoint, sat_per_vb, lock_time, transaction });
            };
            push(0, bundle.pair());
            for (rung, transaction) in bundle.ladder() {
                push(rung.sat_per_vb, transaction);
            }
        }
        ready
    }

    /// The charter.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The contract derived from it.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// Attestations of developer, representative and arbiter, in the order of [`Role::ALL`].
    pub fn attestations(&self) -> &[StatementSignature; 3] {
        &self.attestations
    }

    /// The pledge.
    pub fn pledge(&self) -> &Pledge {
        &self.pledge.statement
    }

    /// The pledge with the sponsor's signature.
    pub fn signed_pledge(&self) -> &Signed<Pledge> {
        &self.pledge
    }

    /// The output that is paid, with its address.
    pub fn output(&self) -> &EscrowOutput {
        &self.output
    }

    /// The refunds held.
    pub fn refunds(&self) -> &[RefundBundle] {
        &self.bundles
    }

    /// The sponsor's key; `None` where another wallet holds it.
    pub fn key(&self) -> Option<&Keypair> {
        self.key.as_ref()
    }

    /// The words; `None` where the sponsor keeps them elsewhere.
    pub fn phrase(&self) -> Option<&str> {
        self.origin.phrase.as_deref()
    }

    /// i of the key's path.
    pub fn sponsor_key_index(&self) -> Option<u32> {
        self.origin.sponsor_key_index
    }

    /// j of the refund address's path.
    pub fn refund_address_index(&self) -> Option<u32> {
        self.origin.refund_address_index
    }

    /// The descriptor with the sponsor's private key (WIF) in place and its checksum, for the
    /// `importdescriptors` of Bitcoin Core; `None` where another wallet holds the key.
    pub fn private_descriptor(&self) -> Option<String> {
        let wif = PrivateKey::new(self.key?.secret_key(), self.charter.network().kind()).to_wif();
        let public = self.output.descriptor();
        let (body, _) = public.split_once('#').expect("descriptors are made with a checksum");
        let sponsor = &self.pledge.statement.sponsor_key;
        let body = body.replace(&format!("v:pk({sponsor})"), &format!("v:pk({wif})"));
        let checksum = desc_checksum(&body).expect("WIF is in the descriptor character set");
        Some(format!("{body}#{checksum}"))
    }
}

#[cfg(test)]
mod tests;

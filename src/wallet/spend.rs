//! Payments out of the fee wallet, by the operator's own hand: coins and change are bdk's choice, signatures
//! come the same way as those of batches.

use super::signer::OwnInput;
use super::sync::connect;
use super::{OperatorWallet, WalletError, branch, server_error};
use crate::chain::electrum::Reach;
use bdk_electrum::electrum_client::ElectrumApi;
use bitcoin::{Address, Amount, FeeRate, Transaction, TxOut, Txid, Witness};

/// A payment to be made.
#[derive(Clone, Debug)]
pub struct SpendRequest {
    /// Whom to pay.
    pub to: Address,
    /// How much; `None` is all there is, the fee taken from it.
    pub amount: Option<Amount>,
    /// Feerate.
    pub feerate: FeeRate,
    /// Spend unconfirmed change as well.
    pub unconfirmed: bool,
}

/// A payment put together and not signed.
#[derive(Clone, Debug)]
pub struct PlannedSpend {
    transaction: Transaction,
    prevouts: Vec<TxOut>,
    /// What the address gets.
    pub amount: Amount,
    /// Fee it pays.
    pub fee: Amount,
}

impl OperatorWallet {
    /// Transactions on their way that spend this wallet's outputs: refund batches, or earlier payments. What
    /// is spent beside them may be what a batch needs for its replacement.
    pub fn unconfirmed_spends(&self) -> Vec<Txid> {
        let spends = |tx: &Transaction| {
            tx.input.iter().any(|input| self.wallet.spk_index().txout(input.previous_output).is_some())
        };
        let unconfirmed = self.wallet.transactions().filter(|tx| !tx.chain_position.is_confirmed());
        unconfirmed.filter(|tx| spends(&tx.tx_node.tx)).map(|tx| tx.tx_node.txid).collect()
    }

    /// Puts a payment together.
    ///
    /// # Errors
    /// [`WalletError::NotSynced`], [`WalletError::WrongNetwork`]; [`WalletError::Spend`] where the money does
    /// not suffice.
    pub fn plan_spend(&mut self, request: &SpendRequest) -> Result<PlannedSpend, WalletError> {
        if !self.state.scanned {
            return Err(WalletError::NotSynced);
        }
        let to = request.to.script_pubkey();
        if Address::from_script(&to, self.network.params()).ok().as_ref() != Some(&request.to) {
            return Err(WalletError::WrongNetwork { what: request.to.to_string(), expected: self.network });
        }
        let mut builder = self.wallet.build_tx();
        builder.fee_rate(request.feerate);
        if !request.unconfirmed {
            builder.exclude_unconfirmed();
        }
        match request.amount {
            Some(amount) => _ = builder.add_recipient(to.clone(), amount),
            None => _ = builder.drain_wallet().drain_to(to.clone()),
        }
        let psbt = builder.finish().map_err(|error| WalletError::Spend { detail: error.to_string() })?;
        self.persist()?;
        let broken = || WalletError::Broken { what: "an input without its output" };
        let prevouts: Vec<TxOut> = psbt
            .unsigned_tx
            .input
            .iter()
            .map(|input| self.wallet.spk_index().txout(input.previous_output).map(|(_, out)| out.clone()))
            .collect::<Option<_>>()
            .ok_or_else(broken)?;
        let sum = |outputs: &[TxOut]| {
            outputs.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value))
        };
        let transaction = psbt.unsigned_tx;
        let fee = sum(&prevouts).zip(sum(&transaction.output)).and_then(|(paid, out)| paid.checked_sub(out));
        let amount = transaction.output.iter().find(|output| output.script_pubkey == to).map(|out| out.value);
        let (fee, amount) = fee.zip(amount).ok_or_else(broken)?;
        Ok(PlannedSpend { transaction, prevouts, amount, fee })
    }

    /// Signs a payment.
    ///
    /// # Errors
    /// [`WalletError::Signer`], [`WalletError::Broken`].
    pub fn sign_spend(&mut self, planned: PlannedSpend) -> Result<Transaction, WalletError> {
        let mut own = Vec::new();
        for (at, prevout) in planned.prevouts.iter().enumerate() {
            let found = self.wallet.derivation_of_spk(prevout.script_pubkey.clone());
            let (keychain, index) = found.ok_or(WalletError::Broken { what: "an input of somebody else" })?;
            own.push(OwnInput { at, branch: branch(keychain), index });
        }
        let mut tx = planned.transaction;
        let change = tx.output.iter().position(|output| self.owner(&output.script_pubkey).is_some());
        let witnesses = self.sign(&tx, &planned.prevouts, &own, change)?;
        if witnesses.len() != tx.input.len() || witnesses.iter().any(Witness::is_empty) {
            return Err(WalletError::Broken { what: "the number of signatures" });
        }
        for (input, witness) in tx.input.iter_mut().zip(witnesses) {
            input.witness = witness;
        }
        Ok(tx)
    }

    /// Hands a transaction to an Electrum server, and notes it. `now_secs` is Unix time by the wall clock.
    ///
    /// # Errors
    /// [`WalletError::Server`] where it is not taken.
    pub fn broadcast(
        &mut self,
        server: &Reach,
        transaction: &Transaction,
        now_secs: u64,
    ) -> Result<Txid, WalletError> {
        let client = connect(server)?;
        let failed = |e: bdk_electrum::electrum_client::Error| server_error(&server.url(), &e.to_string());
        let txid = client.transaction_broadcast(transaction).map_err(failed)?;
        self.note_broadcast(transaction, now_secs)?;
        Ok(txid)
    }
}

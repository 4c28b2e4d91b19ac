//! What the fee wallet's money went for, and its public side for other wallets.

use super::OperatorWallet;
use super::descriptor::Branch;
use bdk_wallet::chain::ChainPosition;
use bitcoin::{Amount, Transaction, TxOut, Txid};
use miniscript::descriptor::checksum::desc_checksum;
use serde::Serialize;

/// What a transaction was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Purpose {
    /// Somebody sent money for fees.
    TopUp,
    /// A batch of refunds.
    Refunds {
        /// How many pledges went back.
        pledges: usize,
    },
    /// Money taken out.
    PaidOut,
    /// From the wallet to itself.
    Own,
}

/// One transaction of the wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryItem {
    /// Its id.
    pub txid: Txid,
    /// Block it is in; `None` while it is in none.
    pub height: Option<u32>,
    /// What it was for.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// What came in, satoshis: of a top-up alone.
    pub received_sat: u64,
    /// What went to others, satoshis, without the fee.
    pub paid_sat: u64,
    /// Fee that this wallet paid, satoshis.
    pub fee_sat: u64,
}

impl OperatorWallet {
    /// Its transactions, the newest first.
    pub fn history(&self) -> Vec<HistoryItem> {
        let mut items: Vec<HistoryItem> = self
            .wallet
            .transactions()
            .map(|tx| {
                let height = match &tx.chain_position {
                    ChainPosition::Confirmed { anchor, .. } => Some(anchor.block_id.height),
                    ChainPosition::Unconfirmed { .. } => None,
                };
                self.item(tx.tx_node.txid, &tx.tx_node.tx, height)
            })
            .collect();
        items.sort_by_key(|item| (std::cmp::Reverse(item.height.unwrap_or(u32::MAX)), item.txid));
        items
    }

    fn item(&self, txid: Txid, tx: &Transaction, height: Option<u32>) -> HistoryItem {
        let index = self.wallet.spk_index();
        let own_input = |input: &&bitcoin::TxIn| index.txout(input.previous_output).is_some();
        let ours = |output: &&TxOut| self.wallet.derivation_of_spk(output.script_pubkey.clone()).is_some();
        let own_inputs = tx.input.iter().filter(own_input).count();
        let others = tx.input.len() - own_inputs;
        let (sent, received) = self.wallet.sent_and_received(tx);
        let net = sent.checked_sub(received).unwrap_or_default().to_sat();
        let to_others: Amount =
            tx.output.iter().filter(|output| !ours(output)).map(|output| output.value).sum();
        let (purpose, received_sat, paid_sat, fee_sat) = match (own_inputs, others) {
            (0, _) => (Purpose::TopUp, received.to_sat(), 0, 0),
            // Pairs pay no fee: what is missing of ours is the fee.
            (_, pledges) if pledges > 0 => (Purpose::Refunds { pledges }, 0, 0, net),
            _ if to_others == Amount::ZERO => (Purpose::Own, 0, 0, net),
            _ => (Purpose::PaidOut, 0, to_others.to_sat(), net.saturating_sub(to_others.to_sat())),
        };
        HistoryItem { txid, height, purpose, received_sat, paid_sat, fee_sat }
    }

    /// The public descriptors, external and internal: for a wallet that watches, or for a service whose keys
    /// are elsewhere. One line with `<0;1>` (BIP389) where they differ in nothing else.
    pub fn public_descriptors(&self) -> Vec<String> {
        let [external, internal] =
            [Branch::External, Branch::Internal].map(|branch| self.keys.public(branch).to_string());
        let body = |text: &str| text.split('#').next().unwrap_or_default().to_owned();
        let joined = body(&external).replacen("/0/*)", "/<0;1>/*)", 1);
        if body(&internal) == body(&external).replacen("/0/*)", "/1/*)", 1)
            && let Ok(checksum) = desc_checksum(&joined)
            && joined.contains("<0;1>")
        {
            return vec![format!("{joined}#{checksum}")];
        }
        vec![external, internal]
    }
}

//! A document against a chain's view, script by script. Whatever is mined at or below the document's tip
//! must agree; the rest is news.

use super::ChainView;
use crate::chain::ChainError;
use crate::escrow::descriptor::{EscrowOutput, Slot};
use crate::escrow::facts::{Confirmation, Deposit, ScriptView, Spend};
use crate::escrow::proof::{Findings, OutpointProof, ProofDocument, mtp_secs};
use bitcoin::{Amount, OutPoint, Txid};
use std::collections::{BTreeMap, HashMap};

/// Where findings and news go.
struct Out<'a> {
    document: &'a ProofDocument,
    findings: &'a mut Findings,
    news: &'a mut Vec<String>,
}

pub(super) fn compare(
    document: &ProofDocument,
    outputs: &BTreeMap<Slot, EscrowOutput>,
    chain: &dyn ChainView,
    findings: &mut Findings,
    news: &mut Vec<String>,
) -> Result<(), ChainError> {
    let mut out = Out { document, findings, news };
    out.headers(chain);
    out.receipts(chain);
    let mut proofs: BTreeMap<Slot, Vec<(usize, &OutpointProof)>> = BTreeMap::new();
    for (at, proof) in document.outpoints.iter().enumerate() {
        let slot = Slot { index: proof.index, generation: proof.generation };
        proofs.entry(slot).or_default().push((at, proof));
    }
    for (slot, output) in outputs {
        let proofs = proofs.remove(slot).unwrap_or_default();
        out.script(*slot, &proofs, &chain.view(&output.script_pubkey)?);
    }
    Ok(())
}

/// A place in the document's past, which must agree, or newer.
fn place(at: &Confirmation) -> String {
    format!("block {} ({})", at.height, at.block_hash)
}

impl Out<'_> {
    fn confirmation(&self, txid: &Txid) -> Option<Confirmation> {
        self.document.transactions.get(txid)?.confirmation
    }

    /// Whether something was mined when the document was written.
    fn past(&self, at: Option<&Confirmation>) -> bool {
        at.is_some_and(|at| at.height <= self.document.tip.height)
    }

    fn headers(&mut self, chain: &dyn ChainView) {
        let top = chain.tip().map_or(0, |tip| tip.height);
        for (height, header) in &self.document.headers {
            let field = format!("headers/{height}");
            match chain.header(*height) {
                Some(known) if known == header.0 => {}
                Some(known) => {
                    let problem =
                        format!("not in the server's chain, which has {} there", known.block_hash());
                    self.findings.add(field, problem);
                }
                None if *height > top => {
                    self.findings.add(field, format!("above the server's tip at {top}"));
                }
                None => self.findings.add(field, "below the checkpoint that headers are known from"),
            }
        }
    }

    /// A receipt's time decides whether a vote was in time, so it must be its block's.
    fn receipts(&mut self, chain: &dyn ChainView) {
        for (at, submission) in self.document.submissions.iter().enumerate() {
            for (vote, cast) in submission.votes.iter().enumerate() {
                let Some(receipt) = cast.receipt.as_ref().map(|receipt| receipt.statement) else { continue };
                let field = format!("submissions/{at}/votes/{vote}/receipt/statement/tip_mtp_secs");
                let known = chain.header(receipt.tip_height).map(|header| header.block_hash());
                if receipt.tip_height > self.document.tip.height {
                    let height = receipt.tip_height;
                    self.findings
                        .add(field, format!("given under block {height}, above the document's own tip"));
                } else if known != Some(receipt.tip_hash) {
                    let (hash, height) = (receipt.tip_hash, receipt.tip_height);
                    let news = format!(
                        "{field}: its block {hash} is not at height {height} (any more), so its time is the service's word"
                    );
                    self.news.push(news);
                } else if let Some(mtp) = mtp_secs(receipt.tip_height, |at| chain.header(at))
                    && mtp != receipt.tip_mtp_secs
                {
                    self.findings.add(field, format!("{}; that block's is {mtp}", receipt.tip_mtp_secs));
                }
            }
        }
    }

    fn script(&mut self, slot: Slot, proofs: &[(usize, &OutpointProof)], view: &ScriptView) {
        let mut deposits: HashMap<OutPoint, &Deposit> =
            view.deposits.iter().map(|deposit| (deposit.outpoint, deposit)).collect();
        let spends: HashMap<OutPoint, &Spend> =
            view.spends.iter().map(|spend| (spend.prevout, spend)).collect();
        for (at, proof) in proofs {
            match deposits.remove(&proof.outpoint) {
                Some(deposit) => {
                    self.deposit(*at, proof, deposit);
                    self.spend(*at, proof, spends.get(&proof.outpoint).copied());
                }
                None if self.confirmation(&proof.outpoint.txid).is_some() => {
                    let problem = format!("the server knows no output {} at this address", proof.outpoint);
                    self.findings.add(format!("outpoints/{at}/outpoint"), problem);
                }
                None => self.news.push(format!("{} is gone from the mempool", proof.outpoint)),
            }
        }
        let mut left: Vec<&Deposit> = deposits.into_values().collect();
        left.sort_by_key(|deposit| deposit.outpoint);
        for Deposit { outpoint, amount, confirmation, .. } in left {
            let (index, sat) = (slot.index, amount.to_sat());
            let mined = confirmation.as_ref().map_or("in the mempool".to_owned(), place);
            let words = format!("{outpoint} pays {sat} sat to index {index}, {mined}");
            if self.past(confirmation.as_ref()) {
                self.findings.add(format!("outpoints/{outpoint}"), format!("left out: {words}"));
            } else {
                self.news.push(words);
            }
        }
    }

    fn deposit(&mut self, at: usize, proof: &OutpointProof, deposit: &Deposit) {
        if deposit.amount != Amount::from_sat(proof.amount_sat) {
            let problem = format!("{} sat; the server has {} sat", proof.amount_sat, deposit.amount.to_sat());
            self.findings.add(format!("outpoints/{at}/amount_sat"), problem);
        }
        self.mined(proof.outpoint.txid, deposit.confirmation.as_ref());
    }

    /// Compares where a transaction is mined.
    fn mined(&mut self, txid: Txid, server: Option<&Confirmation>) {
        let field = |name: &str| format!("transactions/{txid}/confirmation{name}");
        let claimed = self.confirmation(&txid);
        match (claimed, server) {
            (None, None) => {}
            (Some(claimed), Some(server)) => {
                let parts = [
                    ("/height", claimed.height == server.height),
                    ("/block_hash", claimed.block_hash == server.block_hash),
                    ("/position", claimed.position == server.position),
                    ("/mtp_secs", claimed.mtp_secs == server.mtp_secs),
                ];
                for (name, _) in parts.into_iter().filter(|(_, same)| !same) {
                    self.findings.add(field(name), format!("the server proves {server:?}"));
                }
            }
            (None, Some(server)) if self.past(Some(server)) => {
                self.findings.add(field(""), format!("left out: it is mined in {}", place(server)));
            }
            (None, Some(server)) => self.news.push(format!("{txid} is mined in {}", place(server))),
            (Some(_), None) => self.findings.add(field(""), "the server has it in the mempool only"),
        }
    }

    fn spend(&mut self, at: usize, proof: &OutpointProof, server: Option<&Spend>) {
        let field = |name: &str| format!("outpoints/{at}/spend{name}");
        let outpoint = proof.outpoint;
        match (&proof.spend, server) {
            (None, None) => {}
            (Some(claimed), Some(server)) if claimed.txid == server.txid => {
                if claimed.vin != server.vin {
                    self.findings.add(field("/vin"), format!("it is input {}", server.vin));
                }
                if claimed.path != server.path {
                    self.findings.add(field("/path"), format!("its witness takes the way {:?}", server.path));
                }
                self.mined(claimed.txid, server.confirmation.as_ref());
            }
            (claimed, server) => {
                let mined =
                    claimed.as_ref().is_some_and(|claimed| self.confirmation(&claimed.txid).is_some());
                let past = self.past(server.and_then(|server| server.confirmation.as_ref()));
                let words = server.map_or(format!("nothing spends {outpoint}"), |server| {
                    let at = server.confirmation.as_ref().map_or("in the mempool".to_owned(), place);
                    format!("{outpoint} is spent by {}, {at}", server.txid)
                });
                match (mined || past, claimed) {
                    (true, Some(_)) => self.findings.add(field("/txid"), words),
                    (true, None) => self.findings.add(field(""), format!("left out: {words}")),
                    (false, _) => self.news.push(words),
                }
            }
        }
    }
}

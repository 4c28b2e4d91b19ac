//! The proof document of a task: what the book says, with the chain's evidence for it.

use super::{Service, ServiceError};
use crate::escrow::proof::{Evidence, MissingEvidence, ProofDocument, needs};
use crate::escrow::statement::CharterId;
use crate::escrow::task::Refused;

/// How often the document is begun again because the chain moved meanwhile.
const ATTEMPTS: u32 = 3;

impl Service {
    /// All public data of a task, from which anyone recomputes addresses, balances and tally.
    pub async fn proof(&self, charter: &CharterId) -> Result<ProofDocument, ServiceError> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match self.try_proof(charter).await {
                // The chain moved between question and answer.
                Err(error @ (ServiceError::Proof(_) | ServiceError::Chain(_))) => last = Some(error),
                done => return done,
            }
        }
        Err(last.unwrap_or(ServiceError::Refused(Refused::NoTip)))
    }

    async fn try_proof(&self, charter: &CharterId) -> Result<ProofDocument, ServiceError> {
        // A reorg may be known while the submissions' blocks still wait for the scheduler: the document
        // would name headers that its own chain does not have.
        self.follow_submission_blocks().await?;
        let (task, tip) = self.read_task(charter, |task, tip| (task.clone(), tip.copied()))?;
        let tip = tip.ok_or(Refused::NoTip)?;
        let needs = needs(&task, &tip);
        let mut evidence = Evidence::default();
        for (txid, confirmation) in &needs.transactions {
            match confirmation {
                Some(at) => {
                    let proof = self.chain.proof(*txid, at.height).await?;
                    evidence.transactions.insert(*txid, (proof.transaction, proof.branch));
                }
                // In the mempool only: it counts for nothing, so the document does without if it must.
                None => {
                    if let Ok(transaction) = self.chain.transaction(*txid).await {
                        evidence.transactions.insert(*txid, (transaction, Vec::new()));
                    }
                }
            }
        }
        for height in &needs.headers {
            let header = self.chain.header(*height).ok_or(MissingEvidence::Header { height: *height })?;
            evidence.headers.insert(*height, header);
        }
        Ok(ProofDocument::build(&task, &tip, &evidence)?)
    }
}

//! A move from T on, by the sponsor alone: a ladder as of a refund that pays the new pledge's address, sent by the
//! service in place of the refund while the other charter takes pledges. What each rung brings there has its refund
//! prepared before the ladder leaves this machine. No pair is signed: what it brought would have none.

use super::Plans;
use crate::cli::keep::{Prepared, hand_in_refunds, keep};
use crate::cli::pledge::KeptRecovery;
use crate::client::{CheckedTask, Client, ClientError};
use crate::escrow::descriptor::{EscrowOutput, Slot};
use crate::escrow::pledge::Outpoint;
use crate::escrow::recovery::RecoveryFile;
use crate::escrow::refund::{Ladder, RefundBundle, RefundTarget};
use crate::escrow::statement::{Move, Pledge, Signed};
use bitcoin::secp256k1::{Keypair, Secp256k1};
use bitcoin::{Address, Amount, OutPoint};

/// What one outpoint's sponsor signed for T.
struct Late {
    consent: Signed<Move>,
    /// To the new pledge.
    ladder: Ladder,
}

/// The output that an outpoint lies at.
fn output_of(from: &CheckedTask, pledge: &Pledge, held: &Outpoint) -> anyhow::Result<EscrowOutput> {
    Ok(from.contract().pledge(from.secp(), held.slot, pledge.sponsor_key)?)
}

/// What the rungs would bring to an address, lowest fee first; none where the amount bears no fee.
pub fn arrivals(
    from: &CheckedTask,
    pledge: &Pledge,
    held: &Outpoint,
    to: &Address,
) -> anyhow::Result<Vec<Amount>> {
    let target = RefundTarget::new(output_of(from, pledge, held)?, held.outpoint, held.amount, to)?;
    let values = target.ladder().into_iter().flat_map(|(_, rung)| rung.output).map(|output| output.value);
    Ok(values.collect())
}

/// Signs the ladder of each outpoint, and the refund of what each of its rungs brings.
fn sign(
    from: &CheckedTask,
    pledge: &Pledge,
    kept: &KeptRecovery,
    plans: &Plans<'_>,
    key: &Keypair,
) -> anyhow::Result<(Vec<Late>, Vec<Prepared>)> {
    let secp = Secp256k1::new();
    let file = &kept.file;
    let (mut ladders, mut refunds) = (Vec::new(), Vec::new());
    for (held, _) in &plans.moving {
        let to = &file.output().address;
        let target = RefundTarget::new(output_of(from, pledge, held)?, held.outpoint, held.amount, to)?;
        let ladder = Ladder::sign(&secp, target, key)?;
        for (_, rung) in ladder.rungs() {
            let txid = rung.compute_txid();
            for (output, vout) in rung.output.iter().zip(0..) {
                refunds.push(arriving(&secp, file, OutPoint { txid, vout }, output.value, key)?);
            }
        }
        let statement = super::consent(pledge, held.outpoint, file.charter().id(), file.output());
        ladders.push(Late { consent: Signed::new(&secp, statement, key), ladder });
    }
    Ok((ladders, refunds))
}

/// Keeps and hands in what the service needs at T, the refunds first; how many those are.
pub fn hand_in(
    client: &Client,
    from: &CheckedTask,
    pledge: &Pledge,
    kept: &mut KeptRecovery,
    plans: &Plans<'_>,
    key: &Keypair,
) -> anyhow::Result<usize> {
    let (ladders, refunds) = sign(from, pledge, kept, plans, key)?;
    keep(kept, &refunds)?;
    let prepared = hand_in_refunds(client, &kept.file.charter().id(), &refunds)?;
    for Late { consent, ladder } in &ladders {
        let view = client.sign_late_move(consent, ladder.signatures())?;
        if view.index != pledge.index {
            return Err(ClientError::untrue("index", "it is another pledge's").into());
        }
    }
    Ok(prepared)
}

fn arriving(
    secp: &Secp256k1<bitcoin::secp256k1::All>,
    file: &RecoveryFile,
    outpoint: OutPoint,
    amount: Amount,
    key: &Keypair,
) -> anyhow::Result<Prepared> {
    let slot: Slot = file.output().slot;
    Ok(Prepared { slot, bundle: RefundBundle::sign(secp, file.target(outpoint, amount), key)? })
}

//! What a plan does with the money, in the words that a signer reads before signing: who is paid, what goes
//! back, what the network gets. Read from the plan itself, which is what signatures are checked against.

use crate::escrow::charter::Charter;
use crate::escrow::descriptor::OPEN_INDEX;
use crate::escrow::facts::Tip;
use crate::escrow::settlement::{Chunk, Form, Kind, OutputKind, Plan};
use crate::escrow::statement::Role;
use crate::escrow::task::{Fate, Reason, SettlementState, Task};
use bitcoin::{Address, Amount, OutPoint, Txid};
use serde::Serialize;
use std::collections::BTreeMap;

/// A plan at its lowest feerate, summed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moves {
    /// What is spent.
    pub spent_sat: u64,
    /// Outpoints that are spent.
    pub outpoints: usize,
    /// Transactions it takes.
    pub transactions: usize,
    /// Who is paid, in the charter's order.
    pub paid: Vec<Paid>,
    /// What goes back, by address.
    pub returned: Vec<Returned>,
    /// All that goes back.
    pub returned_sat: u64,
    /// All that stays in escrow, here or under another charter.
    pub kept_sat: u64,
    /// Whether that is another charter's escrow.
    pub elsewhere: bool,
    /// The network's fee at the lowest feerate.
    pub fee_sat: u64,
    /// The same at the highest, if it has to be hurried.
    pub highest_fee_sat: u64,
    /// The feerates that are signed, sat/vB.
    pub feerates_sat_per_vb: Vec<u64>,
}

/// A payee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paid {
    /// `payee 1`, `leader`, `operator`.
    pub name: String,
    /// Share of what is paid out.
    pub share_bps: u16,
    /// Where to.
    pub address: String,
    /// How much.
    pub amount_sat: u64,
}

/// Money that goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Returned {
    /// Whose pledge; 0 are gifts.
    pub pledge: u32,
    /// The signed refund address, or the pot.
    pub address: String,
    /// How much.
    pub amount_sat: u64,
}

fn address(charter: &Charter, script: &bitcoin::ScriptBuf) -> String {
    Address::from_script(script, charter.network().bitcoin())
        .map_or_else(|_| script.to_hex_string(), |address| address.to_string())
}

impl Moves {
    /// Of a plan under its charter.
    pub fn new(charter: &Charter, plan: &Plan) -> Moves {
        let lowest = || plan.chunks().iter().filter_map(|chunk| chunk.forms.first());
        let highest = plan.chunks().iter().filter_map(|chunk| chunk.forms.last());
        let mut paid: BTreeMap<usize, Paid> = BTreeMap::new();
        let mut returned: Vec<Returned> = Vec::new();
        let mut kept_sat = 0;
        // Those that the terms name, where they do: each is paid by the plan's own count.
        let shares = charter.shares_for(plan.terms().payees()).unwrap_or_default();
        for form in lowest() {
            for (kind, output) in form.outputs.iter().zip(&form.transaction.output) {
                let (to, amount_sat) = (address(charter, &output.script_pubkey), output.value.to_sat());
                match kind {
                    OutputKind::Payee { name, share } => {
                        let place = shares.iter().position(|each| each.name == *name);
                        let entry = paid.entry(place.unwrap_or(usize::MAX)).or_insert_with(|| Paid {
                            name: name.clone(),
                            share_bps: share.get(),
                            address: to,
                            amount_sat: 0,
                        });
                        entry.amount_sat += amount_sat;
                    }
                    OutputKind::Return { slot, .. } => {
                        returned.push(Returned { pledge: slot.index, address: to, amount_sat });
                    }
                    OutputKind::Remainder { .. } | OutputKind::Move { .. } => kept_sat += amount_sat,
                }
            }
        }
        returned.sort_by_key(|each| each.pledge);
        let mut feerates_sat_per_vb: Vec<u64> =
            plan.forms().map(|(_, _, form)| form.feerate_sat_per_vb).collect();
        feerates_sat_per_vb.sort_unstable();
        feerates_sat_per_vb.dedup();
        Moves {
            spent_sat: plan.terms().inputs().iter().map(|input| input.amount).sum::<Amount>().to_sat(),
            outpoints: plan.terms().inputs().len(),
            transactions: plan.chunks().len(),
            returned_sat: returned.iter().map(|each| each.amount_sat).sum(),
            kept_sat,
            elsewhere: matches!(plan.terms().kind(), Kind::Move { .. }),
            paid: paid.into_values().collect(),
            returned,
            fee_sat: lowest().map(|form| form.fee).sum::<Amount>().to_sat(),
            highest_fee_sat: highest.map(|form| form.fee).sum::<Amount>().to_sat(),
            feerates_sat_per_vb,
        }
    }

    /// Whom what goes back goes back to.
    pub fn back_to(&self) -> String {
        match self.returned.as_slice() {
            [one] if one.pledge == OPEN_INDEX => "to the project's pot".to_owned(),
            [one] => format!("back to the sponsor of pledge {}", one.pledge),
            many => format!("back to sponsors, {} addresses", many.len()),
        }
    }
}

/// One transaction, line by line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lines {
    /// From 1.
    pub number: u32,
    /// What became of it; absent while the chain is not known.
    #[serde(flatten)]
    pub fate: Option<Fate>,
    /// What it spends.
    pub inputs: Vec<Input>,
    /// What it makes, at the lowest feerate.
    pub outputs: Vec<Output>,
    /// The same at rising feerates.
    pub forms: Vec<FormLine>,
}

/// An outpoint that is spent, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    /// It.
    pub outpoint: OutPoint,
    /// Whose pledge; 0 are gifts.
    pub pledge: u32,
    /// Its value.
    pub amount_sat: u64,
    /// Share that is paid; the rest returns.
    pub pay_bps: u16,
    /// What allows it now; absent if nothing does.
    pub reason: Option<Reason>,
}

/// An output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Who, in words.
    pub who: String,
    /// Address.
    pub address: String,
    /// Value.
    pub amount_sat: u64,
}

/// A transaction at one feerate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FormLine {
    /// Which of the transaction's forms, from 0.
    pub form: u32,
    /// Least feerate.
    pub feerate_sat_per_vb: u64,
    /// What the network gets.
    pub fee_sat: u64,
    /// Virtual size once two have signed.
    pub vsize: u64,
    /// Its id.
    pub txid: Txid,
    /// Who signed it.
    pub signed_by: Vec<Role>,
}

fn who(kind: &OutputKind) -> String {
    match kind {
        OutputKind::Payee { name, .. } => name.clone(),
        OutputKind::Return { slot, .. } if slot.index == OPEN_INDEX => "the project's pot".to_owned(),
        OutputKind::Return { slot, .. } => format!("back to the sponsor of pledge {}", slot.index),
        OutputKind::Remainder { slot } => format!("pledge {} stays in escrow", slot.index),
        OutputKind::Move { to, .. } => format!("moves to charter {to}"),
    }
}

/// Every transaction of a settlement, line by line.
pub fn lines(task: &Task, settlement: &SettlementState, tip: Option<&Tip>) -> Vec<Lines> {
    let kind = settlement.plan.terms().kind();
    let allowed = tip.and_then(|tip| task.entitlements(&kind, tip).ok()).unwrap_or_default();
    let fates = tip.map(|tip| task.chunk_fates(settlement, tip)).unwrap_or_default();
    let mut fates = fates.into_iter();
    let input = |chunk: &Chunk| {
        let lines = chunk.inputs.iter().map(|input| Input {
            outpoint: input.term.outpoint,
            pledge: input.term.slot.index,
            amount_sat: input.term.amount.to_sat(),
            pay_bps: input.term.pay.get(),
            reason: allowed.get(&input.term.outpoint).map(|entitlement| entitlement.reason),
        });
        lines.collect()
    };
    let outputs = |form: &Form| {
        let outputs = form.outputs.iter().zip(&form.transaction.output).map(|(kind, output)| Output {
            who: who(kind),
            address: address(task.charter(), &output.script_pubkey),
            amount_sat: output.value.to_sat(),
        });
        outputs.collect()
    };
    let chunks = (0u32..).zip(settlement.plan.chunks());
    let lines = chunks.map(|(at, chunk)| Lines {
        number: at + 1,
        fate: fates.next(),
        inputs: input(chunk),
        outputs: chunk.forms.first().map(outputs).unwrap_or_default(),
        forms: (0u32..)
            .zip(&chunk.forms)
            .map(|(form_at, form)| FormLine {
                form: form_at,
                feerate_sat_per_vb: form.feerate_sat_per_vb,
                fee_sat: form.fee.to_sat(),
                vsize: form.weight.to_vbytes_ceil(),
                txid: form.txid,
                signed_by: settlement.signatures.signed_by(at, form_at),
            })
            .collect(),
    });
    lines.collect()
}

/// What allows an outpoint to move so.
pub fn reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::Yes => "its sponsor voted yes",
        Reason::Silent => "its sponsor was silent, and silence pays here",
        Reason::Gift => "a gift follows the money of the silent",
        Reason::Ruled => "its sponsor voted no, and the arbiter ruled",
        Reason::Surplus => "beyond what the task takes",
        Reason::BelowMinimum => "below the minimum pledge",
        Reason::EarlyReturn => "two signers give everything back",
        Reason::Moved => "its sponsor signed that it moves",
    }
}

/// `the developer`, `the developer and the arbiter`, `nobody`.
pub fn people(roles: &[Role]) -> String {
    match roles {
        [] => "nobody".to_owned(),
        [one] => format!("the {one}"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|role| format!("the {role}")).collect();
            format!("{} and the {last}", first.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::charter::Payee;
    use crate::escrow::event::Command;
    use crate::escrow::statement::{Choice, Named, NamedBy, Submission};
    use crate::escrow::testing::{self, World};

    #[test]
    fn a_plan_is_told_to_the_satoshi() {
        let mut world = World::new(|_| {});
        for sat in [50_000, 70_000] {
            world.fund(Amount::from_sat(sat));
        }
        let id = world.propose(Kind::EarlyReturn, 2).unwrap();
        let state = &world.task().settlements()[&id];
        let moves = Moves::new(world.task().charter(), &state.plan);
        assert_eq!((moves.spent_sat, moves.outpoints, moves.paid.len()), (120_000, 2, 0));
        assert_eq!(moves.returned_sat + moves.fee_sat, moves.spent_sat);
        assert_eq!(moves.feerates_sat_per_vb, [2, 4, 8]);
        assert!(moves.highest_fee_sat > 3 * moves.fee_sat);
        assert_eq!(moves.returned.iter().map(|each| each.pledge).collect::<Vec<_>>(), [1, 2]);
        let lines = lines(world.task(), state, world.book.tip());
        let made: u64 = lines[0].outputs.iter().map(|output| output.amount_sat).sum();
        assert_eq!(made + lines[0].forms[0].fee_sat, 120_000);
        assert_eq!(lines[0].inputs[0].reason, Some(Reason::EarlyReturn));
        assert_eq!(people(&[]), "nobody");
        assert_eq!(people(&Role::ALL), "the developer, the representative and the arbiter");
    }

    #[test]
    fn each_payee_that_a_submission_names_is_told_with_their_own_address_and_amount() {
        let mut world = World::new(|_| {});
        let (pledge, _) = world.fund(Amount::from_sat(600_000));
        let payee = |number, share_bps| Payee {
            address: testing::address(world.network, number).to_string(),
            share_bps,
        };
        let payees = vec![payee(55, 5_000), payee(56, 3_000), payee(57, 1_500)];
        let named = Some(Named { by: NamedBy::Representative, payees: payees.clone() });
        let submission = Submission { named, ..world.submission() };
        let id = submission.id();
        let block = world.chain.block(submission.block_height);
        let key = testing::statement_keypair(world.network, Role::Representative);
        let submission = crate::escrow::statement::Signed::new(&world.secp, submission, &key);
        world.give(&Command::SubmitWork { submission, block }).unwrap();
        world.vote(id, pledge, Choice::Yes, 1).unwrap();
        let settlement = world.propose(Kind::Payout { submission: id }, 2).unwrap();
        let moves = Moves::new(world.task().charter(), world.plan(settlement));
        let told: Vec<(&str, u16)> =
            moves.paid.iter().map(|paid| (paid.address.as_str(), paid.share_bps)).collect();
        for payee in &payees {
            assert!(told.contains(&(payee.address.as_str(), payee.share_bps)), "{told:?}");
        }
        let paid: u64 = moves.paid.iter().map(|paid| paid.amount_sat).sum();
        assert_eq!(
            (paid + moves.fee_sat, moves.paid[0].amount_sat > moves.paid[1].amount_sat),
            (600_000, true)
        );
    }
}

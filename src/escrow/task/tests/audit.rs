//! What must hold of every life, found out from the blocks alone: where each satoshi of each pledge went, and that
//! whatever lies in escrow has a way out that needs nobody's goodwill.
//!
//! Here the rules are written down a second time, the short way: nothing is asked of the code that decides.

use super::sat;
use crate::escrow::charter::Bps;
use crate::escrow::descriptor::{OPEN_INDEX, Slot};
use crate::escrow::event::Command;
use crate::escrow::facts::{Confirmation, Tip};
use crate::escrow::fee;
use crate::escrow::pledge::{
    COINBASE_MATURITY, Outpoint, Standing, needs, standings as standings_of, totals,
};
use crate::escrow::refund::{RefundBundle, RefundTarget, sign_alone};
use crate::escrow::settlement::{Form, InputShare, Kind, TermInput, steps};
use crate::escrow::statement::{CharterId, Move, Role};
use crate::escrow::task::{Fate, SettlementState, Task};
use crate::escrow::testing::World;
use bitcoin::{Amount, FeeRate, OutPoint, ScriptBuf, Transaction};
use std::collections::{BTreeMap, BTreeSet};

/// Where the money of one pledge went, or with index 0 that of all gifts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flow {
    paid_in: Amount,
    paid_out: Amount,
    returned: Amount,
    moved: Amount,
    refunded: Amount,
    fees: Amount,
    unspent: Amount,
}

/// An output in escrow: its place, its value, and the milestones it was paid for; `None` where it was paid in at an
/// address for rests, which no vote moves.
type Lies = (Slot, Amount, Option<BTreeSet<u32>>);

/// Follows every satoshi of every task through the blocks. No output is spent twice, no milestone of a pledge is paid
/// twice, nothing goes where it may not, and what came in is what is paid, returned, moved, refunded, burnt for fees
/// and still there. What the book says of it is the same.
pub(super) fn audit(world: &World) {
    for task in world.book.tasks().values() {
        let mut ledger =
            Ledger { world, task, lies: BTreeMap::new(), flows: BTreeMap::new(), home: Vec::new() };
        for transaction in world.chain.mined_transactions() {
            ledger.read(transaction);
        }
        ledger.close();
        counted(task, world.book.tip().expect("synced"));
    }
}

/// What counts towards the target is the most that was raised under any tip up to now: found out by looking under each.
fn counted(task: &Task, tip: &Tip) {
    let standings = task.standings(tip);
    let counted = task.counted_to_target(&standings);
    assert!(task.totals(tip).raised <= counted, "what is raised now counts");
    let charter = task.charter();
    let under = |height: u32| {
        let mined = |at: Option<Confirmation>| at.filter(|at| at.height <= height);
        let mut then = task.outpoints().clone();
        for held in then.values_mut() {
            held.confirmation = mined(held.confirmation);
            held.spend = held.spend.filter(|spend| mined(spend.confirmation).is_some());
        }
        let rest = |held: &Outpoint| {
            let there = held.slot.generation > 0 && held.confirmation.is_some();
            Some((held.outpoint, there.then(|| task.root(held)).flatten()?.outpoint))
        };
        let remainders: BTreeMap<OutPoint, OutPoint> = then.values().filter_map(rest).collect();
        let is_moved = |held: &&Outpoint| held.spend.is_some() && task.destination(held).is_some();
        let moved: BTreeSet<OutPoint> = then.values().filter(is_moved).map(|held| held.outpoint).collect();
        let standings = standings_of(charter, &Tip { height, ..*tip }, &then, &remainders);
        totals(&then, &standings, &remainders, &moved).raised
    };
    let blocks = task.outpoints().values().flat_map(|held| {
        let credited = held.confirmation.map(|at| at.height + needs(charter, held) - 1);
        let moved = held.spend.and_then(|spend| spend.confirmation).map(|at| at.height);
        [credited, moved].into_iter().flatten()
    });
    let heights: BTreeSet<u32> = blocks.filter(|height| *height <= tip.height).collect();
    let most = heights.into_iter().map(under).max().unwrap_or(Amount::ZERO);
    assert_eq!(counted, most, "the most that was ever raised at once");
}

struct Ledger<'a> {
    world: &'a World,
    task: &'a Task,
    lies: BTreeMap<OutPoint, Lies>,
    flows: BTreeMap<u32, Flow>,
    /// What refunds spent.
    home: Vec<Amount>,
}

impl Ledger<'_> {
    fn flow(&mut self, index: u32) -> &mut Flow {
        self.flows.entry(index).or_default()
    }

    fn slot(&self, script: &ScriptBuf) -> Option<Slot> {
        self.world.book.owner(script).filter(|(charter, _)| *charter == self.task.id()).map(|(_, slot)| slot)
    }

    fn read(&mut self, transaction: &Transaction) {
        let txid = transaction.compute_txid();
        let spent: Vec<Option<Lies>> =
            transaction.input.iter().map(|input| self.lies.remove(&input.previous_output)).collect();
        if spent.iter().all(Option::is_none) {
            for (vout, output) in (0u32..).zip(&transaction.output) {
                let Some(slot) = self.slot(&output.script_pubkey) else { continue };
                self.flow(slot.index).paid_in += output.value;
                let covered = (slot.generation == 0).then(BTreeSet::new);
                self.lies.insert(OutPoint { txid, vout }, (slot, output.value, covered));
            }
            return;
        }
        let spent: Vec<Lies> = spent.into_iter().map(|lies| lies.expect("escrow alone is spent")).collect();
        let settlements: Vec<&SettlementState> =
            self.task.settlements().values().filter(|state| state.plan.has_transaction(&txid)).collect();
        if settlements.is_empty() {
            self.refund(transaction, &spent)
        }
        for (at, state) in settlements.iter().enumerate() {
            let place = state.plan.find(&txid).unwrap();
            let form = state.plan.form(place.chunk, place.form).unwrap();
            let chunk = state.plan.chunk(place.chunk).unwrap();
            assert_eq!(form.transaction.output, transaction.output);
            let terms: Vec<&TermInput> = chunk.inputs.iter().map(|input| &input.term).collect();
            let kind = state.plan.terms().kind();
            self.outputs(state, form, &terms);
            for (lies, (term, share)) in spent.iter().zip(terms.iter().zip(&form.shares)) {
                assert_eq!((term.slot, term.amount), (lies.0, lies.1));
                assert_eq!(share.fee + share.pay + share.returned, lies.1, "to the satoshi");
                let rest = self.share(kind, term, share, lies, transaction);
                // Settlements with the same transaction say the same of it.
                if at > 0 {
                    continue;
                }
                let flow = self.flow(lies.0.index);
                flow.fees += share.fee;
                flow.paid_out += share.pay;
                match (kind, rest) {
                    (Kind::Move { .. }, _) => flow.moved += share.returned,
                    (_, None) => flow.returned += share.returned,
                    (_, Some((outpoint, rest))) => {
                        self.lies.insert(outpoint, rest);
                    }
                }
            }
        }
    }

    /// Where the outputs of a settlement go: to the payees, and to nobody but whom the inputs' terms name.
    fn outputs(&self, state: &SettlementState, form: &Form, terms: &[&TermInput]) {
        let kind = state.plan.terms().kind();
        let named =
            kind.submission().and_then(|id| self.task.submission(&id)?.signed.statement.named.clone());
        let payees = named.map(|named| named.payees).unwrap_or_default();
        let payees: Vec<ScriptBuf> = self
            .task
            .charter()
            .shares_for(&payees)
            .unwrap()
            .iter()
            .map(|share| share.address.script_pubkey())
            .collect();
        let mut allowed: BTreeMap<ScriptBuf, Amount> = BTreeMap::new();
        for (term, share) in terms.iter().zip(&form.shares) {
            let home = match kind {
                Kind::Move { to } => {
                    let there = self.world.book.task(&to).expect("it moves to a known task");
                    let own = self.task.pledges()[&term.slot.index].sponsor_key;
                    let home = term.return_address.as_ref().unwrap().script_pubkey();
                    let (charter, slot) = self.world.book.owner(&home).expect("a pledge's address");
                    assert_eq!((charter, there.pledges()[&slot.index].sponsor_key), (to, own));
                    home
                }
                Kind::Milestone { .. } => {
                    let next = Slot { generation: term.slot.generation + 1, ..term.slot };
                    self.task.output(next).unwrap().script_pubkey
                }
                Kind::Payout { .. } | Kind::Ruling { .. } | Kind::EarlyReturn => match term.slot.index {
                    OPEN_INDEX => self.task.charter().pot().unwrap().script_pubkey(),
                    index => self.task.pledges()[&index].refund_address.script_pubkey(),
                },
            };
            *allowed.entry(home).or_default() += share.returned;
        }
        let mut pool = Amount::ZERO;
        for output in &form.transaction.output {
            match allowed.get_mut(&output.script_pubkey) {
                Some(left) => *left -= output.value,
                None => {
                    assert!(payees.contains(&output.script_pubkey), "nobody else is paid");
                    pool += output.value;
                }
            }
        }
        assert_eq!(allowed.values().copied().sum::<Amount>(), Amount::ZERO);
        assert_eq!(pool, form.shares.iter().map(|share| share.pay).sum());
    }

    /// What becomes of one outpoint: of a milestone the rest with its outpoint.
    fn share(
        &self,
        kind: Kind,
        term: &TermInput,
        share: &InputShare,
        (slot, amount, covered): &Lies,
        transaction: &Transaction,
    ) -> Option<(OutPoint, Lies)> {
        let charter = self.task.charter();
        let whole: BTreeSet<u32> = (0..charter.milestones()).collect();
        let part = |some: &BTreeSet<u32>, of: &BTreeSet<u32>| {
            let sum = |numbers: &BTreeSet<u32>| -> u64 {
                numbers.iter().map(|number| u64::from(charter.milestone(*number).unwrap().share_bps)).sum()
            };
            let bps = u16::try_from(10_000 * sum(some) / sum(of)).unwrap();
            Bps::new(bps).unwrap()
        };
        let number = kind.submission().map(|id| self.task.submission(&id).expect("it is there").milestone());
        let net = *amount - share.fee;
        if slot.index == OPEN_INDEX {
            assert!(share.pay == Amount::ZERO || (share.pay == net && matches!(kind, Kind::Payout { .. })));
            return None;
        }
        match kind {
            Kind::EarlyReturn | Kind::Move { .. } => {
                assert_eq!(share.pay, Amount::ZERO);
                None
            }
            Kind::Milestone { .. } => {
                let covered = covered.clone().expect("what strangers pay in is not split");
                let number = number.unwrap();
                assert!(!covered.contains(&number), "a milestone of a pledge is paid once");
                let open: BTreeSet<u32> = whole.difference(&covered).copied().collect();
                assert_eq!(share.pay, part(&BTreeSet::from([number]), &open).of(net));
                let next = Slot { generation: slot.generation + 1, ..*slot };
                let script = self.task.output(next).unwrap().script_pubkey;
                let at = transaction.output.iter().position(|output| output.script_pubkey == script).unwrap();
                assert_eq!(transaction.output[at].value, share.returned);
                let outpoint =
                    OutPoint { txid: transaction.compute_txid(), vout: u32::try_from(at).unwrap() };
                let covered = covered.into_iter().chain([number]).collect();
                Some((outpoint, (next, share.returned, Some(covered))))
            }
            Kind::Payout { .. } | Kind::Ruling { .. } => {
                if !term.pays() {
                    assert_eq!(share.pay, Amount::ZERO);
                    return None;
                }
                let covered = covered.as_ref().expect("what strangers pay in is not paid out");
                let open: BTreeSet<u32> = whole.difference(covered).copied().collect();
                assert!(open.contains(&number.unwrap()), "its milestone is not paid yet");
                if matches!(kind, Kind::Payout { .. }) {
                    // Some milestones that are still open are paid whole, the submission's own among them.
                    let some = subsets(&open).filter(|some| some.contains(&number.unwrap()));
                    assert!(
                        some.map(|some| part(&some, &open)).any(|part| part == term.pay),
                        "{:?}",
                        term.pay
                    );
                }
                let dust = fee::dust(&term.return_address.as_ref().unwrap().script_pubkey());
                let (paid, pool_dust) = (term.pay.of(net), share.pay == Amount::ZERO);
                assert!(share.pay == paid || (share.pay == net && net - paid < dust) || pool_dust);
                None
            }
        }
    }

    /// What no settlement made is a refund: after T, to the sponsor's own address.
    fn refund(&mut self, transaction: &Transaction, spent: &[Lies]) {
        assert!(transaction.lock_time.to_consensus_u32() >= self.task.charter().refund_time_secs());
        for (((slot, amount, _), input), output) in
            spent.iter().zip(&transaction.input).zip(&transaction.output)
        {
            let home = self.task.pledges()[&slot.index].refund_address.script_pubkey();
            let held = &self.task.outpoints()[&input.previous_output];
            let consent = held.late_move.as_ref().map(|late| late.consent().statement.clone());
            let there = consent.filter(|_| output.script_pubkey != home);
            if let Some(Move { to_charter, to_index, .. }) = there {
                // Or, as the sponsor signed for T, to their own pledge elsewhere, with its refund ready.
                let to = self.world.book.task(&to_charter).expect("it moves to a known task");
                let (pledge, own) = (&to.pledges()[&to_index], &self.task.pledges()[&slot.index]);
                assert_eq!((transaction.input.len(), transaction.output.len()), (1, 1));
                assert_eq!(output.script_pubkey, pledge.output.script_pubkey);
                assert_eq!(pledge.sponsor_key, own.sponsor_key);
                let arrived = OutPoint { txid: transaction.compute_txid(), vout: 0 };
                assert!(to.outpoints()[&arrived].secured(), "whatever it counts as there");
                let flow = self.flow(slot.index);
                flow.moved += output.value;
                flow.fees += *amount - output.value;
                continue;
            }
            assert_eq!(output.script_pubkey, home, "home, and nowhere else");
            self.home.push(*amount);
            let flow = self.flow(slot.index);
            flow.refunded += output.value;
            flow.fees += *amount - output.value;
        }
    }

    fn close(mut self) {
        let standings = self.task.standings(self.world.book.tip().expect("synced"));
        for (outpoint, (slot, amount, covered)) in &self.lies {
            self.flows.entry(slot.index).or_default().unspent += *amount;
            let held = &self.task.outpoints()[outpoint];
            assert_eq!((held.slot, held.amount, held.confirmation.is_some()), (*slot, *amount, true));
            let counts = |outpoint: &OutPoint| {
                standings.get(outpoint).filter(|standing| !matches!(standing, Standing::Confirming { .. }))
            };
            if let (Some(_), true, Some(rest)) = (covered, slot.generation > 0, counts(outpoint)) {
                let root = self.task.root(held).expect("a rest comes from a payment");
                assert_eq!(Some(rest), counts(&root.outpoint), "a rest counts as what it comes from");
            }
            let open: Vec<u32> = match covered {
                Some(covered) => {
                    (0..self.task.charter().milestones()).filter(|n| !covered.contains(n)).collect()
                }
                None => Vec::new(),
            };
            assert_eq!(
                self.task.uncovered(held),
                open,
                "the book knows what is still to be paid of {outpoint}"
            );
        }
        for (index, flow) in &self.flows {
            let Flow { paid_in, paid_out, returned, moved, refunded, fees, unspent } = *flow;
            assert_eq!(
                paid_in,
                paid_out + returned + moved + refunded + fees + unspent,
                "every satoshi of pledge {index}: {flow:?}"
            );
        }
        // The book calls refunded what went home after T, and nothing else.
        let home = self.home.iter().copied().sum::<Amount>();
        assert_eq!(self.task.totals(self.world.book.tip().expect("synced")).refunded, home);
    }
}

fn subsets(of: &BTreeSet<u32>) -> impl Iterator<Item = BTreeSet<u32>> {
    let all: Vec<u32> = of.iter().copied().collect();
    (1_u32..1 << all.len()).map(move |mask| {
        (0..).zip(&all).filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, number)| *number).collect()
    })
}

/// Whatever lies in escrow now has a way out: before the cut-off two signers return everything that no other
/// transaction of theirs may take; after T each sponsor takes the rest back alone, with the bundle that is held or
/// with the key and nothing else. Gifts are the exception: two signers, or nobody.
pub(super) fn no_dead_state(world: &World) {
    for id in world.book.tasks().keys() {
        let mut world = world.clone();
        world.id = *id;
        two_return_what_is_free(world);
    }
    let mut world = world.clone();
    let tasks: BTreeSet<(u32, CharterId)> =
        world.book.tasks().iter().map(|(id, task)| (task.charter().refund_time_secs(), *id)).collect();
    for (_, id) in tasks {
        world.id = id;
        all_go_home(&mut world);
    }
}

fn two_return_what_is_free(mut world: World) {
    let tip = *world.book.tip().expect("synced");
    let task = world.task();
    let kind = Kind::EarlyReturn;
    if tip.mtp_secs > task.charter().cutoff_secs() {
        return;
    }
    // What two have signed, and what can still confirm, is all that is bound.
    let there = |outpoint: OutPoint| task.outpoints().get(&outpoint).is_some_and(|held| held.present);
    let mut bound: BTreeSet<OutPoint> = BTreeSet::new();
    for state in task.settlements().values() {
        let chunks = (0u32..).zip(state.plan.chunks()).zip(task.chunk_fates(state, &tip));
        for ((at, chunk), _) in chunks.filter(|(_, fate)| *fate == Fate::Pending) {
            let spends: Vec<OutPoint> = chunk.inputs.iter().map(|input| input.term.outpoint).collect();
            let mut forms = (0u32..).take(chunk.forms.len());
            let signed = forms.any(|form| state.signatures.pair(at, form).is_some());
            if signed && spends.iter().all(|outpoint| there(*outpoint)) {
                bound.extend(spends);
            }
        }
    }
    let standings = task.standings(&tip);
    let deep = |outpoint: &OutPoint| {
        !matches!(standings[outpoint], Standing::Vanished | Standing::Seen | Standing::Confirming { .. })
    };
    let mut free: BTreeSet<OutPoint> = task
        .outpoints()
        .values()
        .filter(|held| held.slot.index != OPEN_INDEX && held.unspent() && deep(&held.outpoint))
        .map(|held| held.outpoint)
        .filter(|outpoint| !bound.contains(outpoint))
        .collect();
    // What is not worth its fee at the lowest step never is.
    let cap = task.charter().fields().feerate_cap_sat_per_vb;
    let plan = task.preview(kind, 1, None, None, &tip);
    let worth: BTreeSet<OutPoint> = plan.map(|plan| plan.outpoints().collect()).unwrap_or_default();
    free.retain(|outpoint| worth.contains(outpoint));
    for step in steps().take_while(|step| *step <= cap) {
        if free.is_empty() {
            return;
        }
        let Ok(id) = world.propose(kind, step) else { continue };
        if !world.plan(id).outpoints().any(|outpoint| free.contains(&outpoint)) {
            continue;
        }
        for role in [Role::Representative, Role::Arbiter] {
            world.sign(id, role).expect("two give back what they may");
        }
        for (chunk, forms) in (0u32..).zip(world.plan(id).clone().chunks()) {
            let goes = (0u32..).take(forms.forms.len()).any(|form| {
                let transaction = world.finalized(id, chunk, form);
                world.chain.broadcast(&transaction).is_ok()
            });
            assert!(goes, "nodes take it");
        }
        world.mine(1);
        free.retain(|outpoint| world.task().outpoints()[outpoint].unspent());
    }
    assert_eq!(free, BTreeSet::new(), "two signers can return it before the cut-off");
}

fn all_go_home(world: &mut World) {
    let refund_time = world.task().charter().refund_time_secs();
    world.advance_to(refund_time + 1);
    if world.task().outpoints().values().any(|held| held.coinbase) {
        world.mine(COINBASE_MATURITY);
    }
    // What was signed and sent in time is mined now.
    world.mine(1);
    let scripts: BTreeSet<ScriptBuf> = world.task().scripts().into_iter().map(|(script, _)| script).collect();
    let mut dust = BTreeSet::new();
    for (outpoint, amount) in world.chain.mined_unspent(&scripts) {
        let held = world.task().outpoints()[&outpoint].clone();
        if held.slot.index == OPEN_INDEX {
            // A gift has no refund: two signers, or nobody.
            assert!(held.refund.is_none() && world.task().refund_target(&held).is_none());
            continue;
        }
        // The sponsor knows charter, index, key and refund address, and finds the rest on the chain.
        let pledge = &world.task().pledges()[&held.slot.index];
        let output = world.task().contract().pledge(&world.secp, held.slot, pledge.sponsor_key).unwrap();
        let target = RefundTarget::new(output, outpoint, amount, &pledge.refund_address).unwrap();
        let key = world.sponsor(held.slot.index);
        let own = RefundBundle::sign(&world.secp, target.clone(), &key).unwrap();
        if let Some(bundle) = &held.refund {
            world.chain.check(&bundle.pair()).expect("the pair that is held is valid");
            if let Some((_, rung)) = bundle.ladder().first() {
                world.chain.check(rung).expect("the rung that is held is valid");
            }
        }
        world.chain.check(&own.pair()).expect("somebody else may pay its fee");
        match sign_alone(&world.secp, &target, &key, FeeRate::from_sat_per_vb(1).unwrap()) {
            Ok(alone) => {
                world.chain.broadcast(&alone).expect("the key alone takes it home");
            }
            Err(_) => {
                // Only the fee of one transaction and dust: what nobody relays.
                assert!(amount < sat(1_000), "{amount} cannot go home alone");
                dust.insert(outpoint);
            }
        }
    }
    world.mine(1);
    let left = world.chain.mined_unspent(&scripts);
    assert!(left.keys().all(|outpoint| {
        dust.contains(outpoint) || world.task().outpoints()[outpoint].slot.index == OPEN_INDEX
    }));
    // The gifts go to the pot when two sign, at any time.
    if left.keys().any(|outpoint| !dust.contains(outpoint)) {
        let kind = Kind::EarlyReturn;
        let given = world.give(&Command::ProposeSettlement { kind, feerate_sat_per_vb: 1 });
        let code = given.err().map(|refused| refused.code());
        assert!(
            matches!(code, None | Some("nothing_to_settle" | "past_cutoff" | "settlement_under_way")),
            "{code:?}"
        );
    }
}

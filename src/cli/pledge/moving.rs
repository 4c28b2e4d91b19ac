//! `upfront pledge move`: a pledge goes to another charter without coming back first. The new pledge is issued under
//! the same key, its recovery file written, the move signed, and the refund under the new charter signed for every
//! form before two of the three can sign. Each step that was done already does nothing when it is done again. With
//! `--alone` nobody else signs, and it happens at T.

mod alone;
mod limit;
mod report;

use self::report::{Moving, MovingOutpoint, Stays};
use super::create::{ATTEMPTS, attested, compare, default_path, discard_if_refused};
use super::refund::{find_key_index, same_pledge};
use super::{KeptRecovery, read_recovery};
use crate::cli::context::{Context, OptionalKeyArg};
use crate::cli::exit::{Exit, Failure};
use crate::cli::keep::{Feerate, Prepared, checked_proof, credited, hand_in_refunds, keep, sign_refunds};
use crate::cli::text::sat;
use crate::client::{CheckedTask, Client, ClientError};
use crate::escrow::descriptor::{EscrowOutput, Slot};
use crate::escrow::pledge::Outpoint;
use crate::escrow::proof::Checked;
use crate::escrow::recovery::{Origin, RecoveryFile};
use crate::escrow::refund::RefundTarget;
use crate::escrow::statement::{CharterId, Move, Pledge, Signed};
use crate::keys::Passphrase;
use crate::service::views::PledgeView;
use bitcoin::secp256k1::{Keypair, Secp256k1};
use bitcoin::{Amount, OutPoint};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct MoveArgs {
    /// Id of the charter that the pledge is under now
    task: CharterId,
    /// Id of the charter that it moves to
    #[arg(long, value_name = "CHARTER")]
    to: CharterId,
    /// Recovery file of the pledge
    #[arg(long, value_name = "FILE", required_unless_present = "key")]
    recovery: Option<PathBuf>,
    #[command(flatten)]
    key: OptionalKeyArg,
    /// Index of the pledge, where no recovery file tells it
    #[arg(long, value_name = "N", required_unless_present = "recovery")]
    pledge: Option<u32>,
    /// Recovery file to write for the new pledge [default: upfront-TASK-INDEX.recovery.json in this directory]
    #[arg(long, value_name = "FILE")]
    recovery_out: Option<PathBuf>,
    /// Lowest feerate, sat/vB, a step of 1 to 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100...; 2 by default. Refunds are
    /// signed for it, its double and its fourfold
    #[arg(long, value_name = "SAT_PER_VB")]
    feerate: Option<u64>,
    /// Ask nobody, and move from T on in place of the refund, if the other charter still takes pledges then
    #[arg(long, conflicts_with = "feerate")]
    alone: bool,
}

/// The pledge that moves, with its key.
struct Own {
    index: u32,
    key: Keypair,
    origin: Origin,
    passphrase: Option<Passphrase>,
    /// What the recovery file says, if there is one.
    file: Option<RecoveryFile>,
}

pub fn run(context: &Context<'_>, args: &MoveArgs) -> anyhow::Result<Exit> {
    if args.to == args.task {
        return Err(Failure::usage("the pledge is under this charter already: name another --to").into());
    }
    let client = context.client();
    let from = CheckedTask::fetch(&client, &args.task)?;
    let to = CheckedTask::fetch(&client, &args.to)?;
    attested(&to)?;
    if to.charter().network() != from.charter().network() {
        let message = format!("charter {} is for {}", args.to, to.charter().network());
        return Err(Failure::refused("other_network", message).into());
    }
    let (own, pledge) = own(context, args, &client, &from)?;
    let checked = checked_proof(&client, &args.task)?;
    let held = credited(&checked, own.index);
    if held.is_empty() {
        let message = format!("nothing of pledge {} is credited and unspent: nothing can move", own.index);
        return Err(Failure::refused("nothing_to_move", message).into());
    }
    let feerate = match args.alone {
        true => None,
        false => Some(Feerate::choose(args.feerate, from.charter().fields().feerate_cap_sat_per_vb)?),
    };
    let plans = Plans::new(&checked, &from, &to, &pledge, &held, feerate)?;
    let promised = plans.promised()?;
    let mut kept = new_pledge(context, args, &client, to, &own, &pledge, promised)?;
    let refunds = match feerate {
        Some(feerate) => together(&client, &checked, &pledge, &mut kept, &plans, &own.key, feerate)?,
        None => alone::hand_in(&client, &from, &pledge, &mut kept, &plans, &own.key)?,
    };
    let file = &kept.file;
    let propose =
        || format!("upfront settlement propose {} --kind move --to {} --identity FILE", args.task, args.to);
    context.report(&Moving {
        task: args.task,
        pledge: own.index,
        to: args.to,
        to_pledge: file.pledge().index,
        to_address: file.output().address.to_string(),
        alone_after: args.alone.then(|| from.charter().refund_time_secs()),
        feerate,
        outpoints: plans.moving.iter().map(|(held, arrives)| arrival(held, arrives)).collect(),
        stays: plans.stays,
        refunds_prepared: refunds,
        minimum_pledge_sat: file.charter().minimum_pledge().to_sat(),
        refund_time: file.charter().refund_time_secs(),
        recovery_file: kept.path().to_owned(),
        next: (!args.alone).then(propose),
    })?;
    Ok(Exit::Done)
}

/// The pledge as the service tells it, checked, and its key.
fn own(
    context: &Context<'_>,
    args: &MoveArgs,
    client: &Client,
    from: &CheckedTask,
) -> anyhow::Result<(Own, Pledge)> {
    let kept = args.recovery.as_ref().map(|path| read_recovery(context, path)).transpose()?;
    if let Some(kept) = &kept
        && kept.file.charter().id() != args.task
    {
        let message = format!("this recovery file is for task {}", kept.file.charter().id());
        return Err(Failure::refused("other_task", message).into());
    }
    let index = kept.as_ref().map(|kept| kept.file.pledge().index).or(args.pledge);
    let index = index.ok_or_else(|| Failure::usage("give --recovery FILE, or --key FILE and --pledge N"))?;
    if args.pledge.is_some_and(|given| given != index) {
        return Err(
            Failure::refused("wrong_key", format!("the recovery file is that of pledge {index}")).into()
        );
    }
    let view = client.pledge_view(&args.task, index)?;
    let (signed, _) = from.check_pledge(&view)?;
    let pledge = signed.statement;
    if let Some(kept) = &kept {
        same_pledge(from, &view, &kept.file)?;
    }
    let network = from.charter().network();
    let given = args.key.unlocked(context, network)?;
    let held = kept.as_ref().and_then(|kept| kept.file.key().copied());
    let (key, mut origin, of_key) = match (held, given) {
        (Some(key), _) => (key, Origin::default(), None),
        (None, Some((keys, passphrase))) => {
            let (at, key) = find_key_index(&keys, &pledge.sponsor_key)?;
            let phrase = Some(keys.phrase().expose().to_string());
            (key, Origin { sponsor_key_index: Some(at), phrase, ..Origin::default() }, passphrase)
        }
        (None, None) => {
            return Err(Failure::refused("no_key", "the recovery file holds no key")
                .hint("give --key FILE")
                .into());
        }
    };
    if key.x_only_public_key().0 != pledge.sponsor_key {
        return Err(Failure::refused("wrong_key", format!("this is not the key of pledge {index}")).into());
    }
    let (file, kept_under) = kept.map_or((None, None), |kept| (Some(kept.file), kept.passphrase));
    if let Some(file) = &file {
        origin.sponsor_key_index = file.sponsor_key_index().or(origin.sponsor_key_index);
        origin.refund_address_index = file.refund_address_index();
        origin.phrase = file.phrase().map(str::to_owned);
    }
    let passphrase = kept_under.or(of_key);
    Ok((Own { index, key, origin, passphrase, file }, pledge))
}

/// What would move, and what would arrive.
struct Plans<'a> {
    /// Each outpoint with what arrives of it, one amount a feerate.
    moving: Vec<(&'a Outpoint, Vec<Amount>)>,
    stays: Vec<Stays>,
    /// Nobody else signs.
    alone: bool,
}

impl<'a> Plans<'a> {
    /// Amounts do not depend on which pledge it will be: every address of an escrow is as long as any other.
    fn new(
        checked: &Checked,
        from: &CheckedTask,
        to: &CheckedTask,
        pledge: &Pledge,
        held: &[&'a Outpoint],
        feerate: Option<Feerate>,
    ) -> anyhow::Result<Plans<'a>> {
        let somewhere = Slot::pledge(to.view().next_index);
        let output = to.contract().pledge(to.secp(), somewhere, pledge.sponsor_key)?;
        let minimum = to.charter().minimum_pledge();
        let mut plans = Plans { moving: Vec::new(), stays: Vec::new(), alone: feerate.is_none() };
        for held in held {
            let outpoint = held.outpoint;
            let arrives = match feerate {
                None => Ok(alone::arrivals(from, pledge, held, &output.address)?),
                Some(feerate) => {
                    let consent = consent(pledge, outpoint, to.charter().id(), &output);
                    let plan = checked.task.moved(&consent, feerate.sat_per_vb);
                    plan.map(|plan| plan.made().map(|(_, made)| made.amount).collect())
                }
            };
            let reason = match arrives {
                Ok(arrives) if plans.counted(&arrives) < minimum => format!(
                    "{} would arrive, and the least pledge there is {}",
                    sat(plans.counted(&arrives).to_sat()),
                    sat(minimum.to_sat())
                ),
                Ok(arrives) => {
                    plans.moving.push((held, arrives));
                    continue;
                }
                Err(refused) => refused.to_string(),
            };
            plans.stays.push(Stays { outpoint, reason });
        }
        plans.limit();
        if plans.moving.is_empty() {
            let reasons: Vec<&str> = plans.stays.iter().map(|stays| stays.reason.as_str()).collect();
            let message = format!("nothing of this pledge can move: {}", reasons.join("; "));
            return Err(Failure::refused("nothing_to_move", message).into());
        }
        Ok(plans)
    }

    /// Leaves out what is too much for one go.
    fn limit(&mut self) {
        let sizes: Vec<_> = self.moving.iter().map(|(held, made)| (held.amount, made.len())).collect();
        let chosen = limit::at_once(&sizes);
        let parted = std::mem::take(&mut self.moving).into_iter().zip(chosen);
        for (part, chosen) in parted {
            if chosen {
                self.moving.push(part);
            } else {
                let reason = limit::too_many(self.alone).to_owned();
                self.stays.push(Stays { outpoint: part.0.outpoint, reason });
            }
        }
    }

    /// What is counted on: with signers what arrives at the highest feerate; alone what arrives at the lowest, for the
    /// higher rungs are for when that is not mined.
    fn counted(&self, arrives: &[Amount]) -> Amount {
        let counted = if self.alone { arrives.iter().max() } else { arrives.iter().min() };
        counted.copied().unwrap_or(Amount::ZERO)
    }

    /// The same, of everything.
    fn promised(&self) -> anyhow::Result<Amount> {
        let counted = self.moving.iter().map(|(_, arrives)| self.counted(arrives));
        let sum = counted.into_iter().try_fold(Amount::ZERO, |sum, amount| sum.checked_add(amount));
        sum.ok_or_else(|| Failure::refused("amount", "more than there is").into())
    }
}

fn arrival(held: &Outpoint, arrives: &[Amount]) -> MovingOutpoint {
    let sat = |amount: Option<&Amount>| amount.map_or(0, |amount| amount.to_sat());
    MovingOutpoint {
        outpoint: held.outpoint,
        amount_sat: held.amount.to_sat(),
        arrives_at_most_sat: sat(arrives.iter().max()),
        arrives_at_least_sat: sat(arrives.iter().min()),
    }
}

/// Keeps and hands in what signers need, consents first; how many refunds that are.
fn together(
    client: &Client,
    checked: &Checked,
    pledge: &Pledge,
    kept: &mut KeptRecovery,
    plans: &Plans<'_>,
    key: &Keypair,
    feerate: Feerate,
) -> anyhow::Result<usize> {
    let made = sign(checked, pledge, kept, plans, key, feerate)?;
    keep(kept, &made.refunds)?;
    for consent in &made.consents {
        same_pledge_answered(&client.sign_move(consent)?, checked, consent)?;
    }
    hand_in_refunds(client, &kept.file.charter().id(), &made.refunds)
}

/// An answer about another pledge was not to what was asked.
fn same_pledge_answered(view: &PledgeView, checked: &Checked, consent: &Signed<Move>) -> anyhow::Result<()> {
    let held = checked.task.outpoints().get(&consent.statement.outpoint);
    if held.is_some_and(|held| held.slot.index == view.index) {
        return Ok(());
    }
    Err(ClientError::untrue("index", "it is another pledge's").into())
}

fn consent(pledge: &Pledge, outpoint: OutPoint, to: CharterId, output: &EscrowOutput) -> Move {
    Move {
        network: pledge.network,
        charter: pledge.charter,
        outpoint,
        to_charter: to,
        to_index: output.slot.index,
        to_address: output.address.to_string(),
    }
}

/// The pledge under the new charter, with its recovery file on the disk: the one that is there from an earlier run,
/// else a new one.
fn new_pledge(
    context: &Context<'_>,
    args: &MoveArgs,
    client: &Client,
    first: CheckedTask,
    own: &Own,
    pledge: &Pledge,
    amount: Amount,
) -> anyhow::Result<KeptRecovery> {
    let secp = Secp256k1::new();
    let mut to = first;
    for _ in 0..ATTEMPTS {
        let refund_address = pledge.refund_address.to_string();
        let same = |known: &&PledgeView| {
            known.sponsor_key == pledge.sponsor_key && known.refund_address == refund_address
        };
        if let Some(known) = to.view().pledges.iter().find(same) {
            let (signed, _) = to.check_pledge(known)?;
            return recovery(context, args, &to, own, signed);
        }
        let statement = Pledge {
            network: pledge.network,
            charter: to.charter().id(),
            index: to.view().next_index,
            sponsor_key: pledge.sponsor_key,
            refund_address: pledge.refund_address.clone(),
        };
        let output = to.contract().pledge(&secp, Slot::pledge(statement.index), statement.sponsor_key)?;
        let signed = Signed::new(&secp, statement, &own.key);
        let kept = recovery(context, args, &to, own, signed.clone())?;
        match client.pledge(&signed, amount.to_sat()) {
            Ok(view) => {
                compare(&view, &signed, &output, amount.to_sat())?;
                return Ok(kept);
            }
            Err(error) => {
                discard_if_refused(&error, kept.path());
                if error.code() != "index_taken" {
                    return Err(error.into());
                }
            }
        }
        to = CheckedTask::fetch(client, &args.to)?;
        attested(&to)?;
    }
    Err(Failure::refused("index_taken", format!("{ATTEMPTS} other sponsors were faster; try again")).into())
}

/// The recovery file of the new pledge: the one that an earlier run wrote, else a new one.
fn recovery(
    context: &Context<'_>,
    args: &MoveArgs,
    to: &CheckedTask,
    own: &Own,
    signed: Signed<Pledge>,
) -> anyhow::Result<KeptRecovery> {
    let path = args.recovery_out.clone().unwrap_or_else(|| default_path(to, signed.statement.index));
    if path.exists() {
        let kept = read_recovery(context, &path)?;
        if *kept.file.pledge() == signed.statement {
            return Ok(kept);
        }
        // One that was never issued, and under which nothing was signed, is nobody's loss.
        let ours = kept.file.charter().id() == args.to
            && kept.file.pledge().sponsor_key == signed.statement.sponsor_key;
        if !ours || !kept.file.refunds().is_empty() {
            let message = format!("{} is the recovery file of another pledge", path.display());
            return Err(Failure::refused("file_exists", message).hint("name another --recovery-out").into());
        }
        std::fs::remove_file(&path)?;
    }
    // Another wallet's key stays out of the file, as it did before.
    let without_key = own.file.as_ref().is_some_and(|file| file.key().is_none());
    let key = if without_key { None } else { Some(own.key) };
    let charter = to.charter().clone();
    let file = RecoveryFile::new(to.secp(), charter, attested(to)?, signed, key, own.origin.clone())?;
    Ok(KeptRecovery::create(path, file, own.passphrase.clone())?)
}

/// What is handed in.
struct Made {
    consents: Vec<Signed<Move>>,
    refunds: Vec<Prepared>,
}

/// Signs the move of each outpoint to the new pledge, and the refund of what arrives for each form.
fn sign(
    checked: &Checked,
    pledge: &Pledge,
    kept: &KeptRecovery,
    plans: &Plans<'_>,
    key: &Keypair,
    feerate: Feerate,
) -> anyhow::Result<Made> {
    let secp = Secp256k1::new();
    let (file, output) = (&kept.file, kept.file.output());
    let mut made = Made { consents: Vec::new(), refunds: Vec::new() };
    for (held, _) in &plans.moving {
        let consent = consent(pledge, held.outpoint, file.charter().id(), output);
        let plan = checked.task.moved(&consent, feerate.sat_per_vb)?;
        let place = |made: &crate::escrow::settlement::Made| -> anyhow::Result<(Slot, RefundTarget)> {
            Ok((output.slot, file.target(made.outpoint, made.amount)))
        };
        made.refunds.extend(sign_refunds(&plan, key, place)?);
        made.consents.push(Signed::new(&secp, consent, key));
    }
    Ok(made)
}

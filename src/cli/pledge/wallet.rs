//! A pledge whose key is in the sponsor's own wallet: the pledge's words and every part of its refunds go
//! out as PSBTs, and come back signed. No secret of the sponsor passes through here.

use super::create::{self, CreateArgs, PledgeAnswer};
use super::refund::{Chain, Secured};
use super::{KeptRecovery, SecureArgs};
use crate::cli::context::{Context, write_public};
use crate::cli::exit::Failure;
use crate::cli::settlement::read_psbt;
use crate::cli::speaker::{Asked, WalletKey, Words};
use crate::client::{CheckedTask, Client};
use crate::escrow::charter::address;
use crate::escrow::descriptor::Slot;
use crate::escrow::recovery::{Origin, RecoveryFile};
use crate::escrow::refund::RefundBundle;
use crate::escrow::signature::Speaker;
use crate::escrow::statement::{Pledge, Signed};
use crate::service::views::{OutpointView, PledgeView};
use anyhow::Context as _;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Amount, OutPoint, Psbt};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Writes the words of a new pledge for the wallet that holds `key`.
pub fn ask(
    context: &Context<'_>,
    task: &CheckedTask,
    key: &WalletKey,
    args: &CreateArgs,
) -> anyhow::Result<()> {
    let charter = task.charter();
    let (Some(out), Some(refund_address)) = (&args.psbt_out, &args.refund_address) else {
        return Err(Failure::usage("with --sponsor-key give --refund-address and --psbt-out, too").into());
    };
    let refund_address = address("--refund-address", refund_address, charter.network())
        .map_err(|error| Failure::refused("refund_address", error.to_string()))?;
    let (network, index) = (charter.network(), task.view().next_index);
    let statement = Pledge { network, charter: charter.id(), index, sponsor_key: key.key, refund_address };
    let words = Words::pledge(&statement, args.amount);
    let speaker = Speaker::sponsor(key.key);
    context.report(&Asked::write(out, charter, &speaker, key.origin.clone(), &statement, words)?)
}

/// Asks for the address of a pledge that a wallet signed, and shows it once the recovery file is written.
pub fn deliver(
    context: &Context<'_>,
    client: &Client,
    task: &CheckedTask,
    signed: &Signed<Pledge>,
    answer: PledgeAnswer,
) -> anyhow::Result<()> {
    let secp = Secp256k1::new();
    let statement = &signed.statement;
    let attestations = create::attested(task)?;
    let output = task.contract().pledge(&secp, Slot::pledge(statement.index), statement.sponsor_key)?;
    let charter = task.charter().clone();
    let file = RecoveryFile::new(&secp, charter, attestations, signed.clone(), None, Origin::default())?;
    let path = answer.recovery.clone().unwrap_or_else(|| create::default_path(task, statement.index));
    // It holds no secret: nothing to encrypt.
    let kept = KeptRecovery::create(path, file, None)?;
    match client.pledge(signed, answer.amount_sat) {
        Ok(view) => create::compare(&view, signed, &output, answer.amount_sat)?,
        Err(error) => {
            create::discard_if_refused(&error, kept.path());
            return Err(error.into());
        }
    }
    context.report(&create::issued(&kept.file, kept.path(), &answer)?)
}

/// Parts of refunds that wait for the wallet.
#[derive(Serialize)]
struct Parts {
    pledge: u32,
    psbts: Vec<Part>,
}

#[derive(Serialize)]
struct Part {
    outpoint: OutPoint,
    /// `pair`, or the rung's feerate.
    part: String,
    file: PathBuf,
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.psbts.is_empty() {
            return writeln!(f, "Nothing to sign: nothing has arrived yet, or all of it is secured.");
        }
        self.psbts.iter().try_for_each(|part| writeln!(f, "{}", part.file.display()))?;
        writeln!(f, "Sign them with the wallet that holds the sponsor's key. In Bitcoin Core:")?;
        writeln!(
            f,
            "  pairs:  bitcoin-cli -named walletprocesspsbt psbt=\"$(cat FILE)\" sighashtype=\"SINGLE|ANYONECANPAY\" finalize=false"
        )?;
        writeln!(f, "  rungs:  bitcoin-cli -named walletprocesspsbt psbt=\"$(cat FILE)\" finalize=false")?;
        writeln!(
            f,
            "The pairs alone make the refund automatic; rungs are for when the operator is gone. Then:"
        )?;
        writeln!(f, "  upfront pledge secure TASK --recovery FILE --signed SIGNED.psbt ...")
    }
}

/// Writes the parts of every refund that is missing; with `--signed` reads them back and hands them in.
pub fn secure(
    context: &Context<'_>,
    client: &Client,
    chain: &Chain,
    view: &PledgeView,
    kept: &mut KeptRecovery,
    args: &SecureArgs,
) -> anyhow::Result<()> {
    let file = &mut kept.file;
    if let Some(dir) = &args.psbt_out {
        let present = chain.confirm(view, file)?;
        let targets: Vec<_> = present.into_iter().filter(|held| !held.secured).collect();
        return context.report(&write_parts(dir, file, &targets, args.key_origin.as_ref())?);
    }
    let secp = Secp256k1::new();
    let known: BTreeMap<OutPoint, OutpointView> =
        chain.confirm(view, file)?.into_iter().map(|held| (held.outpoint, held)).collect();
    for (outpoint, psbts) in grouped(&args.signed)? {
        let unknown =
            || Failure::refused("unknown_outpoint", format!("{outpoint} is not of this pledge, or gone"));
        let held = known.get(&outpoint).ok_or_else(unknown)?;
        let target = file.target_at(&secp, held.generation, outpoint, Amount::from_sat(held.amount_sat))?;
        let signatures = target.read_psbts(&psbts).map_err(|error| {
            Failure::refused(error.code(), error.to_string())
                .hint("sign the PSBTs that `upfront pledge secure --psbt-out DIR` wrote, unchanged; give all of one outpoint at once")
        })?;
        file.add_refund(RefundBundle::check(&secp, target, signatures)?)?;
    }
    // On the disk before it leaves this machine.
    kept.save()?;
    let file = &kept.file;
    let mut view = view.clone();
    for bundle in file.refunds().iter().filter(|bundle| known.contains_key(&bundle.target().outpoint())) {
        view = client.secure(&file.charter().id(), bundle.signatures())?;
    }
    context.report(&Secured::new(view, args.recovery.clone()))
}

fn write_parts(
    dir: &Path,
    file: &RecoveryFile,
    targets: &[OutpointView],
    origin: Option<&WalletKey>,
) -> anyhow::Result<Parts> {
    if let Some(key) = origin
        && key.key != file.pledge().sponsor_key
    {
        let message = format!("the pledge's key is {}, not {}", file.pledge().sponsor_key, key.key);
        return Err(Failure::refused("wrong_key", message).into());
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut psbts = Vec::new();
    let secp = Secp256k1::verification_only();
    for OutpointView { outpoint, amount_sat, generation, .. } in targets {
        let target = file.target_at(&secp, *generation, *outpoint, Amount::from_sat(*amount_sat))?;
        let origin = origin.and_then(|key| key.origin.as_ref());
        let rungs = target.ladder().into_iter().map(|(rung, _)| format!("{}-sat-per-vb", rung.sat_per_vb));
        let names = std::iter::once("pair".to_owned()).chain(rungs);
        for (part, psbt) in names.zip(target.psbts(origin)) {
            let path = dir.join(format!("{}-{}-{part}.psbt", outpoint.txid, outpoint.vout));
            write_public(&path, format!("{psbt}\n").as_bytes())?;
            psbts.push(Part { outpoint: *outpoint, part, file: path });
        }
    }
    Ok(Parts { pledge: file.pledge().index, psbts })
}

/// Signed PSBTs by what they spend.
fn grouped(files: &[PathBuf]) -> anyhow::Result<BTreeMap<OutPoint, Vec<Psbt>>> {
    let mut groups: BTreeMap<OutPoint, Vec<Psbt>> = BTreeMap::new();
    for path in files {
        let psbt = read_psbt(path)?;
        let [input] = psbt.unsigned_tx.input.as_slice() else {
            let message = format!("{} is no part of a refund: it has not one input", path.display());
            return Err(Failure::refused("psbt_other_transaction", message).into());
        };
        groups.entry(input.previous_output).or_default().push(psbt);
    }
    Ok(groups)
}

/// Whether a `secure` command goes through the sponsor's wallet.
pub fn wanted(args: &SecureArgs) -> bool {
    args.psbt_out.is_some() || !args.signed.is_empty()
}

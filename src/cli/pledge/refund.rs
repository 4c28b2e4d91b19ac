//! Signing refunds in advance for what arrived, into the recovery file first and then to the service.

use super::KeptRecovery;
use crate::chain::oneshot::OneShot;
use crate::cli::context::{Context, OptionalKeyArg};
use crate::cli::electrum::ProxyArg;
use crate::cli::exit::Failure;
use crate::cli::task::outpoint_rows;
use crate::client::{CheckedTask, Client, ClientError};
use crate::escrow::network::Network;
use crate::escrow::pledge::{Standing, Surplus};
use crate::escrow::recovery::RecoveryFile;
use crate::escrow::refund::RefundBundle;
use crate::service::views::{OutpointView, PledgeView};
use bitcoin::Amount;
use bitcoin::secp256k1::{Keypair, Secp256k1};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

/// Keys of a phrase that are tried when a recovery file does not say which one it used.
const KEYS_TRIED: u32 = 1000;

/// What tells which outputs exist: the service, or a server of the chain beside it.
pub enum Chain {
    /// The service is believed.
    Service,
    /// Everything is looked up.
    Electrum(Box<OneShot>),
}

impl Chain {
    /// Connects, if a server is named.
    pub fn connect(electrum: Option<&str>, proxy: &ProxyArg, network: Network) -> anyhow::Result<Chain> {
        match electrum {
            None => Ok(Chain::Service),
            Some(url) => Ok(Chain::Electrum(Box::new(proxy.connect(url, network)?))),
        }
    }

    /// The outputs among `claimed` that are there with their amounts.
    pub fn confirm(&self, view: &PledgeView, file: &RecoveryFile) -> anyhow::Result<Vec<OutpointView>> {
        let last = file.generations().last().unwrap_or(0);
        let stray = Some(Standing::Surplus { reason: Surplus::NotARemainder });
        let present = |held: &&OutpointView| {
            let here = held.standing != Some(Standing::Vanished) && held.ended.is_none();
            here && held.generation <= last && held.standing != stray
        };
        let claimed: Vec<OutpointView> = view.outpoints.iter().filter(present).cloned().collect();
        let Chain::Electrum(server) = self else { return Ok(claimed) };
        let secp = Secp256k1::verification_only();
        let generations: BTreeSet<u32> = claimed.iter().map(|held| held.generation).collect();
        let mut known = BTreeMap::new();
        for generation in generations {
            let deposits = server.view(&file.output_at(&secp, generation)?.script_pubkey)?.deposits;
            known
                .extend(deposits.into_iter().map(|deposit| ((generation, deposit.outpoint), deposit.amount)));
        }
        for held in &claimed {
            let Some(amount) = known.get(&(held.generation, held.outpoint)) else { continue };
            if amount.to_sat() != held.amount_sat {
                let problem = format!("{} has {} sat on the chain", held.outpoint, amount.to_sat());
                return Err(ClientError::untrue("outpoints", problem).into());
            }
        }
        // One that our server does not have yet may come; a refund is signed for what both see.
        Ok(claimed.into_iter().filter(|held| known.contains_key(&(held.generation, held.outpoint))).collect())
    }
}

/// The sponsor's key of a recovery file: its own, or one of a phrase.
pub fn key_of(context: &Context<'_>, file: &RecoveryFile, key: &OptionalKeyArg) -> anyhow::Result<Keypair> {
    if let Some(key) = file.key() {
        return Ok(*key);
    }
    let missing = || {
        Failure::refused("no_key", "the recovery file holds no key")
            .hint("give --key FILE; or, if the key is in another wallet, --psbt-out DIR")
    };
    let keys = key.sponsor(context, file.charter().network())?.ok_or_else(missing)?;
    keys.check_recovery(file).map_err(|error| Failure::refused("wrong_key", error.to_string()))?;
    find_key(&keys, &file.pledge().sponsor_key)
}

/// The key of a phrase whose public key is `wanted`.
pub fn find_key(
    keys: &crate::keys::SponsorKeys,
    wanted: &bitcoin::secp256k1::XOnlyPublicKey,
) -> anyhow::Result<Keypair> {
    Ok(find_key_index(keys, wanted)?.1)
}

/// The same with its index.
pub fn find_key_index(
    keys: &crate::keys::SponsorKeys,
    wanted: &bitcoin::secp256k1::XOnlyPublicKey,
) -> anyhow::Result<(u32, Keypair)> {
    for index in 0..KEYS_TRIED {
        let key = keys.refund_key(index)?;
        if key.x_only_public_key().0 == *wanted {
            return Ok((index, key));
        }
    }
    let message =
        format!("none of the first {KEYS_TRIED} keys of this phrase is the pledge's sponsor key {wanted}");
    Err(Failure::refused("wrong_key", message).into())
}

/// Compares what the service says of a pledge with the recovery file.
pub fn same_pledge(checked: &CheckedTask, view: &PledgeView, file: &RecoveryFile) -> Result<(), ClientError> {
    let (signed, _) = checked.check_pledge(view)?;
    let ours = file.pledge();
    let theirs = &signed.statement;
    let differs = |field: &str| Err(ClientError::untrue(field, "your recovery file says otherwise"));
    if theirs.index != ours.index {
        return differs("index");
    }
    if theirs.sponsor_key != ours.sponsor_key {
        return differs("sponsor_key");
    }
    if theirs.refund_address != ours.refund_address {
        return differs("refund_address");
    }
    Ok(())
}

/// Signs what is not secured yet, writes the recovery file, and only then hands the refunds in.
pub fn secure(
    client: &Client,
    chain: &Chain,
    view: &PledgeView,
    kept: &mut KeptRecovery,
    key: &Keypair,
) -> anyhow::Result<PledgeView> {
    let secp = Secp256k1::new();
    let mut wanted = Vec::new();
    let mut new = false;
    let file = &mut kept.file;
    for held in chain.confirm(view, file)? {
        let target =
            file.target_at(&secp, held.generation, held.outpoint, Amount::from_sat(held.amount_sat))?;
        let known = file.refunds().iter().find(|refund| *refund.target() == target).cloned();
        let bundle = match known {
            Some(bundle) => bundle,
            None => {
                let bundle = RefundBundle::sign(&secp, target, key)?;
                file.add_refund(bundle.clone())?;
                new = true;
                bundle
            }
        };
        if !held.secured {
            wanted.push(bundle);
        }
    }
    if new {
        // Whoever floods the address, or makes outputs up, must not make the file unreadable.
        kept.save()?;
    }
    let mut view = view.clone();
    for bundle in wanted {
        view = client.secure(&kept.file.charter().id(), bundle.signatures())?;
    }
    Ok(view)
}

/// How a pledge stands after its refunds were signed.
#[derive(Serialize)]
pub struct Secured {
    index: u32,
    /// Whether all that is there is secured, and something is.
    secured: bool,
    /// Whether some of it counts.
    credited: bool,
    outpoints: Vec<OutpointView>,
    recovery_file: PathBuf,
}

impl Secured {
    /// Of the service's last answer.
    pub fn new(view: PledgeView, recovery_file: PathBuf) -> Secured {
        let outpoints: Vec<OutpointView> = view.outpoints;
        let there = || outpoints.iter().filter(|held| held.standing != Some(Standing::Vanished));
        Secured {
            index: view.index,
            secured: there().next().is_some() && there().all(|held| held.secured),
            credited: there().any(|held| held.standing == Some(Standing::Credited)),
            outpoints,
            recovery_file,
        }
    }

    /// Whether nothing is left to wait for: all of it is deep enough, and secured.
    pub fn settled_in(&self) -> bool {
        let waiting = |held: &OutpointView| {
            matches!(held.standing, None | Some(Standing::Seen | Standing::Confirming { .. }))
        };
        self.secured && !self.outpoints.iter().any(waiting)
    }

    /// In a few words, for progress.
    pub fn progress(&self) -> String {
        self.outpoints.iter().map(outpoint_rows).collect()
    }
}

impl fmt::Display for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pledge {}", self.index)?;
        write!(f, "{}", self.progress())?;
        match (self.outpoints.is_empty(), self.secured) {
            (true, _) => writeln!(f, "Nothing has arrived yet; run this again when it has."),
            (false, true) => writeln!(
                f,
                "The refund is secured: after T the money comes back without your doing anything.\nKeep {}: it works without the service, too.",
                self.recovery_file.display()
            ),
            (false, false) => writeln!(f, "Not all of it is secured yet; run this again."),
        }
    }
}

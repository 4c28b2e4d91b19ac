//! `upfront wallet sign`: what a service names as its `wallet_signer`, over ssh say, where the keys are. It signs
//! refund batches up to a fee and nothing else, so that the service's machine cannot take the money.

use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::cli::text::sat;
use crate::escrow::network::Network;
use crate::keys::{MAX_KEY_FILE_BYTES, Stored};
use crate::wallet::{OfflineRule, OfflineSigner};
use anyhow::Context as _;
use bitcoin::{Amount, Psbt};
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

/// Longest PSBT read.
const MAX_PSBT_BYTES: u64 = 8 * 1024 * 1024;

#[derive(Args)]
pub struct SignArgs {
    /// wallet.phrase or wallet.descriptor, encrypted or not
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// mainnet, testnet4, signet or regtest
    #[arg(long, value_name = "NETWORK", env = "UPFRONT_NETWORK")]
    network: Network,
    /// Most that one batch may cost
    #[arg(long, value_name = "SAT", default_value_t = 100_000)]
    max_fee_sat: u64,
    /// Sign whatever it is
    #[arg(long, conflicts_with = "max_fee_sat")]
    anything: bool,
    /// PSBT, base64 or binary; standard input by default
    #[arg(long, value_name = "FILE")]
    psbt: Option<PathBuf>,
}

#[derive(Serialize)]
struct SignedPsbt {
    psbt: String,
    inputs: usize,
    paid_sat: u64,
}

impl fmt::Display for SignedPsbt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.psbt)
    }
}

/// Reads, judges, signs, prints.
pub fn sign(context: &Context<'_>, args: &SignArgs) -> anyhow::Result<()> {
    let psbt = read_psbt(args)?;
    let (secret, _) = context.unlock(Stored::read_file(&args.key, MAX_KEY_FILE_BYTES)?)?;
    let signer = OfflineSigner::from_bytes(&secret, args.network)?;
    let rule = if args.anything {
        OfflineRule::Anything
    } else {
        OfflineRule::Refunds { max_fee: Amount::from_sat(args.max_fee_sat) }
    };
    let signed =
        signer.sign(psbt, rule).map_err(|error| Failure::refused("not_signed", error.to_string()))?;
    context.note(format_args!("Signed {} inputs; this costs {}.", signed.inputs, sat(signed.paid.to_sat())));
    let (inputs, paid_sat) = (signed.inputs, signed.paid.to_sat());
    context.report(&SignedPsbt { psbt: signed.psbt.to_string(), inputs, paid_sat })
}

fn read_psbt(args: &SignArgs) -> anyhow::Result<Psbt> {
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = match &args.psbt {
        Some(path) => {
            let opened = std::fs::File::open(path);
            Box::new(opened.with_context(|| format!("cannot read {}", path.display()))?)
        }
        None => Box::new(io::stdin().lock()),
    };
    source.take(MAX_PSBT_BYTES).read_to_end(&mut bytes).context("cannot read the PSBT")?;
    let bad = || Failure::refused("psbt", "this is no PSBT in base64 or binary, or a cut-off one");
    if let Ok(psbt) = Psbt::deserialize(&bytes) {
        return Ok(psbt);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| bad())?;
    Ok(text.trim().parse().map_err(|_| bad())?)
}

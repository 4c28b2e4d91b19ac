//! A charter's terms in plain words, and what a signer's Bitcoin Core must import.

use crate::cli::text::{Rows, inert, percent, sat, span, when};
use crate::escrow::charter::{Charter, CharterFields, FundingRule, Silence, SubmissionsOpen, VoteOpens};
use crate::escrow::statement::{CharterId, Role};
use serde::Serialize;
use std::fmt;

/// The terms of a charter.
#[derive(Serialize)]
pub struct Terms {
    charter: CharterId,
    #[serde(flatten)]
    fields: CharterFields,
    /// Nothing new is started from here on, Unix seconds.
    cutoff: u32,
}

impl Terms {
    /// Of a charter.
    pub fn new(charter: &Charter) -> Terms {
        Terms { charter: charter.id(), fields: charter.fields().clone(), cutoff: charter.cutoff_secs() }
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = &self.fields;
        let mut rows = Rows::new();
        rows.row("charter", self.charter)
            .row("network", fields.network)
            .row("task", fields.task)
            .row("repository", inert(&fields.repository))
            .row("licence", inert(&fields.licence));
        for (role, seat) in
            Role::ALL.into_iter().zip([&fields.developer, &fields.representative, &fields.arbiter])
        {
            rows.row(role.name(), format!("{}\nnamed by {}", seat.key, inert(&seat.nominated_by)));
        }
        rows.row("target", sat(fields.target_sat))
            .row("cap", sat(fields.cap_sat))
            .row("least pledge", sat(fields.minimum_pledge_sat))
            .row("credited after", format!("{} confirmations", fields.depth))
            .row("funding until", when(fields.funding_close))
            .row(
                "if the target is missed",
                match fields.funding_rule {
                    FundingRule::Keep => "the task goes on with what it has",
                    FundingRule::AllOrNothing => "everything is returned",
                },
            )
            .row("work until", when(fields.work_deadline))
            .row(
                "submissions",
                match fields.submissions_open {
                    SubmissionsOpen::AtOnce => "as soon as funding is open",
                    SubmissionsOpen::WhenTargetCredited => "once the target is credited",
                },
            )
            .row(
                "sponsors vote when",
                match fields.vote_opens {
                    VoteOpens::None => "work is submitted",
                    VoteOpens::Merged => "the work is merged",
                    VoteOpens::Released => "the work is released",
                },
            )
            .row("review", span(fields.review_secs))
            .row("ruling", span(fields.ruling_secs))
            .row("nothing new after", when(self.cutoff))
            .row("T, refunds", when(fields.refund_time))
            .row(
                "a yes",
                if fields.acceptance.yes_waits {
                    "pays once the threshold is reached"
                } else {
                    "pays the voter's own pledge at once"
                },
            )
            .row("a no", "holds the voter's own pledge for the arbiter; without a ruling it returns at T")
            .row(
                "silence",
                match fields.acceptance.silence {
                    Silence::Pay => format!(
                        "pays if the representative accepts, {} of the weight votes, and {} of that says yes",
                        percent(fields.acceptance.quorum_bps),
                        percent(fields.acceptance.threshold_bps)
                    ),
                    Silence::Hold => "stays until T".to_owned(),
                },
            );
        if fields.milestones.len() > 1 {
            for (milestone, number) in fields.milestones.iter().zip(1..) {
                let words =
                    format!("{} of each pledge, due {}", percent(milestone.share_bps), when(milestone.due));
                rows.row(format!("milestone {number}"), words);
            }
        }
        for (payee, number) in fields.payees.iter().zip(1..) {
            rows.row(format!("payee {number}"), format!("{}  {}", percent(payee.share_bps), payee.address));
        }
        if let Some(leader) = &fields.leader {
            rows.row("leader", format!("{}  {}", percent(leader.share_bps), leader.address))
                .row("  speaks with", &leader.key);
        }
        if let Some(operator) = &fields.operator {
            rows.row("operator", format!("{}  {}", percent(operator.share_bps), operator.address));
        }
        rows.row(
            "gifts, if it fails",
            fields.pot.as_deref().unwrap_or("stay where they are: there is no pot"),
        )
        .row("receipt key", &fields.receipt_key)
        .row("feerate cap", format!("{} sat/vB", fields.feerate_cap_sat_per_vb));
        write!(f, "{rows}")?;
        writeln!(f, "Any two of the three signers can move the money before T, whatever the votes say.")
    }
}

/// Commands for Bitcoin Core as a signer.
#[derive(Serialize)]
pub struct CoreImport {
    charter: CharterId,
    signers: Vec<SignerImport>,
}

/// For one seat.
#[derive(Serialize)]
struct SignerImport {
    role: Role,
    key: String,
    /// One a generation; `ACCOUNT_XPRV` stands for the account's private key, which nothing here prints.
    descriptors: Vec<ImportDescriptor>,
}

#[derive(Serialize)]
struct ImportDescriptor {
    desc: String,
    range: [u32; 2],
}

/// What stands for the private key in printed commands.
const XPRV: &str = "ACCOUNT_XPRV";

impl CoreImport {
    /// For one seat or all three.
    pub fn new(charter: &Charter, role: Option<Role>, generations: u32, last_index: u32) -> CoreImport {
        let seats = Role::ALL.into_iter().filter(|each| role.is_none_or(|role| role == *each));
        let signers = seats
            .map(|role| {
                let key = charter.signer(role).to_string();
                let origin = key.split_once(']').map_or("", |(origin, _)| origin);
                let descriptor = |generation: u32| ImportDescriptor {
                    desc: format!("tr({origin}]{XPRV}/{generation}/*)"),
                    range: [0, last_index],
                };
                let descriptors = (0..generations).map(descriptor).collect();
                SignerImport { role, key, descriptors }
            })
            .collect();
        CoreImport { charter: charter.id(), signers }
    }
}

impl fmt::Display for CoreImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Bitcoin Core as a signer of charter {}", self.charter)?;
        writeln!(f, "{XPRV} stands for the extended private key of the account, which stays with you.")?;
        for signer in &self.signers {
            writeln!(f, "\n{}  {}", signer.role, signer.key)?;
            writeln!(f, "Once, for a wallet that signs with walletprocesspsbt:")?;
            for ImportDescriptor { desc, range: [first, last] } in &signer.descriptors {
                writeln!(f, "  checksum=$(bitcoin-cli getdescriptorinfo '{desc}' | jq -r .checksum)")?;
                writeln!(
                    f,
                    "  bitcoin-cli importdescriptors '[{{\"desc\":\"{desc}#'$checksum'\",\"range\":[{first},{last}],\"timestamp\":\"now\"}}]'"
                )?;
            }
            writeln!(f, "  bitcoin-cli walletprocesspsbt \"$(cat FILE.psbt)\" true DEFAULT true false")?;
            writeln!(f, "Or without any wallet, each time:")?;
            let all: Vec<String> = signer
                .descriptors
                .iter()
                .map(|d| format!("{{\"desc\":\"{}\",\"range\":[{},{}]}}", d.desc, d.range[0], d.range[1]))
                .collect();
            writeln!(
                f,
                "  bitcoin-cli -named descriptorprocesspsbt psbt=\"$(cat FILE.psbt)\" descriptors='[{}]' finalize=false",
                all.join(",")
            )?;
        }
        writeln!(f, "\nA wallet whose range does not cover a pledge signs nothing and reports no error.")?;
        writeln!(
            f,
            "Core checks neither charter nor votes: read `upfront settlement sign` of the same PSBTs first."
        )
    }
}

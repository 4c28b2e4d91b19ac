//! What a charter says, in words: who holds the keys, by when, under which rules.

use crate::escrow::charter::{Charter, FundingRule, Silence, SubmissionsOpen, VoteOpens};
use crate::escrow::facts::Tip;
use crate::escrow::statement::{NamedBy, Role, Submission};
use crate::escrow::task::{Fate, Task};
use crate::nip98::{npub, parse_public};
use crate::web::pages::{pieces, words};
use serde::Serialize;

/// Who holds one of the three keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Which seat.
    pub role: Role,
    /// The same, to begin a line with.
    pub name: &'static str,
    /// What the seat is for.
    pub job: &'static str,
    /// Fingerprint of the wallet's root.
    pub fingerprint: String,
    /// The key expression of the charter.
    pub key: String,
    /// Who named this signer, in the charter's words, inert.
    pub nominated_by: String,
    /// Whether the signature over the charter is there.
    pub attested: bool,
    /// That signature.
    pub signature: Option<String>,
    /// Key it verifies under.
    pub statement_key: String,
}

impl Holder {
    /// Whether there is a record of what this seat ruled.
    pub fn is_arbiter(&self) -> bool {
        self.role == Role::Arbiter
    }
}

/// The three of a task.
pub fn holders(task: &Task) -> Vec<Holder> {
    let fields = task.charter().fields();
    let seats = [&fields.developer, &fields.representative, &fields.arbiter];
    let of = |(role, seat): (Role, &crate::escrow::charter::Seat)| {
        let (name, job) = match role {
            Role::Developer => ("Developer", "does the work and hands it in"),
            Role::Representative => {
                ("Representative", "speaks for the sponsors, accepts or refuses the work")
            }
            Role::Arbiter => ("Arbiter", "decides over the money of those who said no"),
        };
        let signature = task.attestations().get(&role);
        Holder {
            role,
            name,
            job,
            fingerprint: task.charter().signer(role).fingerprint().to_string(),
            key: seat.key.clone(),
            nominated_by: pieces::inert(&seat.nominated_by),
            attested: signature.is_some(),
            signature: signature.map(ToString::to_string),
            statement_key: task.charter().statement_key(role).to_string(),
        }
    };
    Role::ALL.into_iter().zip(seats).map(of).collect()
}

/// A date of the charter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Date {
    /// What it is.
    pub what: String,
    /// When, Unix seconds of the median time past.
    pub secs: u32,
    /// What follows from it.
    pub then: String,
}

/// Somebody who is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paid {
    /// Who, in the charter's words.
    pub name: String,
    /// Where.
    pub address: String,
    /// Which share.
    pub share: String,
}

/// A rule in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// What about.
    pub about: &'static str,
    /// How it is.
    pub words: String,
}

/// A charter in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// Dates in their order, T last.
    pub dates: Vec<Date>,
    /// T.
    pub refund_time_secs: u32,
    /// Everything else that is not an amount or a person.
    pub rules: Vec<Rule>,
    /// Who is paid.
    pub payees: Vec<Paid>,
    /// The least pledge.
    pub minimum_sat: u64,
    /// What the work needs.
    pub target_sat: u64,
    /// What is taken at most.
    pub cap_sat: u64,
    /// Licence of the work.
    pub licence: String,
    /// What becomes of those who say nothing, in the middle of a sentence.
    pub silence_inline: &'static str,
}

impl Terms {
    /// Of a charter.
    pub fn of(charter: &Charter) -> Terms {
        let fields = charter.fields();
        let silence = match fields.acceptance.silence {
            Silence::Pay => "Your money follows the majority, once the representative accepts the work.",
            Silence::Hold => "Your money stays where it is, and comes back at the refund time.",
        };
        let payees = charter.shares().iter().map(|share| Paid {
            name: share.name.clone(),
            address: share.address.to_string(),
            share: words::share(share.share.get()),
        });
        Terms {
            dates: dates(charter),
            refund_time_secs: charter.refund_time_secs(),
            rules: rules(charter, silence),
            payees: payees.collect(),
            minimum_sat: fields.minimum_pledge_sat,
            target_sat: fields.target_sat,
            cap_sat: fields.cap_sat,
            licence: fields.licence.clone(),
            silence_inline: match fields.acceptance.silence {
                Silence::Pay => "your money follows the majority, once the representative accepts the work.",
                Silence::Hold => "your money stays where it is until then.",
            },
        }
    }
}

fn dates(charter: &Charter) -> Vec<Date> {
    let fields = charter.fields();
    let missed = match fields.funding_rule {
        FundingRule::Keep => {
            "No pledge counts after it. If the target is missed, the task goes on with what it has."
        }
        FundingRule::AllOrNothing => {
            "No pledge counts after it. If the target is missed, everything goes back: as soon as two signers sign the return that this service proposes then, and at T at the latest."
        }
    };
    let date = |what: &str, secs, then: String| Date { what: what.to_owned(), secs, then };
    let mut dates = vec![date("Funding closes", fields.funding_close, missed.to_owned())];
    if fields.milestones.len() > 1 {
        let milestones = (1..).zip(&fields.milestones).map(|(number, milestone)| {
            let share = words::share(milestone.share_bps);
            let then = format!(
                "{share} of every pledge, voted on by itself. Not submitted any more after it: then that part goes back with the last payout."
            );
            date(&format!("Milestone {number} is due"), milestone.due, then)
        });
        dates.extend(milestones);
    }
    dates.extend([
        date(
            "Work is due",
            fields.work_deadline,
            format!(
                "Then sponsors have {} to vote, and the arbiter {} to rule.",
                words::span(fields.review_secs),
                words::span(fields.ruling_secs)
            ),
        ),
        date("Last start of a payout", charter.cutoff_secs(), "Nothing new is started after it.".to_owned()),
        date(
            "Refund time T",
            fields.refund_time,
            format!(
                "What was not paid goes back to its sponsors. On the chain: locktime {}, final when the median time past exceeds it.",
                fields.refund_time
            ),
        ),
    ]);
    dates
}

fn rules(charter: &Charter, silence: &str) -> Vec<Rule> {
    let fields = charter.fields();
    let rule = |about, words: String| Rule { about, words };
    let yes = if fields.acceptance.yes_waits {
        "It releases your money once threshold and quorum are reached."
    } else {
        "It releases your own money, whatever the others say."
    };
    let opens = match fields.submissions_open {
        SubmissionsOpen::AtOnce => "as soon as the task is open",
        SubmissionsOpen::WhenTargetCredited => "when the target is confirmed",
    };
    let vote = match fields.vote_opens {
        VoteOpens::None => "a submission opens the vote",
        VoteOpens::Merged => "voting opens when the work is merged",
        VoteOpens::Released => "voting opens when the work is released",
    };
    let depth = match fields.depth {
        1 => "1 confirmation".to_owned(),
        depth => format!("{depth} confirmations"),
    };
    let mut rules = vec![
        rule("If you vote yes", yes.to_owned()),
        rule(
            "If you vote no",
            "Your money is held. The arbiter rules what part is paid; without a ruling it comes back.".into(),
        ),
        rule("If you say nothing", silence.to_owned()),
        rule(
            "Threshold",
            format!("{} of the money that votes must say yes", words::share(fields.acceptance.threshold_bps)),
        ),
        rule(
            "Quorum",
            format!("{} of all confirmed money must vote", words::share(fields.acceptance.quorum_bps)),
        ),
        rule("Work is handed in", format!("{opens}; {vote}")),
        rule("A payment counts", format!("with {depth}")),
        rule("Highest feerate", format!("{} sat/vB: signers refuse more", fields.feerate_cap_sat_per_vb)),
        rule("Released under", fields.licence.clone()),
    ];
    if let Some(pot) = charter.pot() {
        rules.push(rule("Gifts, if the task fails", format!("go to {pot}")));
    }
    rules
}

/// Which part of the work a submission is for, where the charter has several: `Milestone 2 of 3, 30 % of every pledge`.
pub fn milestone(charter: &Charter, submission: &Submission) -> Option<String> {
    let number = submission.milestone?;
    let share = words::share(charter.milestone(number)?.share_bps);
    Some(format!("Milestone {} of {}, {share} of every pledge", number + 1, charter.milestones()))
}

/// Who handed a submission in: the developer, or whoever names other payees.
pub fn by_whom(submission: &Submission) -> &'static str {
    match submission.named.as_ref().map(|named| named.by) {
        None => "The developer",
        Some(NamedBy::Representative) => "The representative",
        Some(NamedBy::Leader) => "The project\u{2019}s leader",
    }
}

/// The project's leader, where the charter names one, as `npub`.
pub fn leader(charter: &Charter) -> Option<String> {
    let key = &charter.fields().leader.as_ref()?.key;
    Some(parse_public(key).as_ref().map_or_else(|| key.clone(), npub))
}

/// Who got the money of settlements that are mined: the charter's payees, or those that a submission named.
pub fn paid(task: &Task, tip: Option<&Tip>) -> Vec<Paid> {
    let mut paid: Vec<Paid> = Vec::new();
    let mut settlements: Vec<_> = task.settlements().values().collect();
    settlements.sort_by_key(|settlement| settlement.number);
    for settlement in settlements {
        let mined = tip.is_some_and(|tip| {
            task.chunk_fates(settlement, tip).iter().any(|fate| matches!(fate, Fate::Confirmed { .. }))
        });
        let pays = settlement.plan.terms().inputs().iter().any(|input| input.pay.get() > 0);
        if !mined || !pays {
            continue;
        }
        let shares = task.charter().shares_for(settlement.plan.terms().payees()).unwrap_or_default();
        for share in shares.iter().filter(|share| share.name.starts_with("payee")) {
            let address = share.address.to_string();
            if !paid.iter().any(|known| known.address == address) {
                paid.push(Paid { name: share.name.clone(), address, share: words::share(share.share.get()) });
            }
        }
    }
    paid
}

/// Payees that a submission names in place of the charter's.
pub fn named(submission: &Submission) -> Vec<Paid> {
    let payees = submission.named.iter().flat_map(|named| &named.payees);
    payees
        .zip(1..)
        .map(|(payee, number)| Paid {
            name: format!("named payee {number}"),
            address: payee.address.clone(),
            share: words::share(payee.share_bps),
        })
        .collect()
}

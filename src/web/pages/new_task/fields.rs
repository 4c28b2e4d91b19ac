//! The fields of the form, as a person meets them: what each is called, what it means, how it is put in.

use crate::escrow::network::Network;
use serde::Serialize;

/// How a field is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// One line.
    Line,
    /// One line of an address or a key, in letters of one width.
    Mono,
    /// A signer's key expression.
    Key,
    /// A whole number or a share.
    Number,
    /// Several lines.
    Text,
    /// A day, or on regtest a length of time from now.
    When,
    /// One of a few: the value and its words.
    Choice(&'static [(&'static str, &'static str)]),
    /// Yes or no.
    Check,
}

/// A field of the form.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name in the request.
    pub name: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// What it means.
    pub hint: &'static str,
    /// How it is put in.
    pub input: Input,
    /// Whether nothing is no answer.
    pub required: bool,
}

/// Fields that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// What about.
    pub title: &'static str,
    /// In a sentence or two.
    pub words: &'static str,
    /// Whether it is shut at first: its defaults are good for most.
    pub folded: bool,
    /// Its fields, in order.
    pub fields: &'static [Field],
}

/// How many payees the form has room for; the command line takes more.
pub const PAYEES: usize = 4;
/// Names of the payees' fields: address and share.
pub const PAYEE_FIELDS: [(&str, &str); PAYEES] = [
    ("payee_1_address", "payee_1_share"),
    ("payee_2_address", "payee_2_share"),
    ("payee_3_address", "payee_3_share"),
    ("payee_4_address", "payee_4_share"),
];

const fn field(name: &'static str, label: &'static str, hint: &'static str, input: Input) -> Field {
    Field { name, label, hint, input, required: false }
}

const fn needed(name: &'static str, label: &'static str, hint: &'static str, input: Input) -> Field {
    Field { name, label, hint, input, required: true }
}

/// Windows where time is real: never shorter than the protocol's least.
const REVIEWS: &[(&str, &str)] =
    &[("7d", "7 days"), ("10d", "10 days"), ("14d", "14 days"), ("21d", "21 days"), ("28d", "28 days")];
const RULINGS: &[(&str, &str)] =
    &[("14d", "14 days"), ("21d", "21 days"), ("28d", "28 days"), ("42d", "42 days")];
/// Windows on regtest, where a whole life fits in minutes.
const MINUTES: &[(&str, &str)] =
    &[("60s", "1 minute"), ("300s", "5 minutes"), ("600s", "10 minutes"), ("1h", "1 hour"), ("1d", "1 day")];

const TASK: Section = Section {
    title: "The task",
    words: "What should be done, so that a stranger can tell whether it was.",
    folded: false,
    fields: &[
        needed("title", "Title", "One line, as it stands in lists.", Input::Line),
        needed(
            "text",
            "What is asked",
            "What it should do, how one sees that it works, what is not part of it. The text is fixed with the charter: it can never change.",
            Input::Text,
        ),
        needed("repository", "Repository", "Where the work belongs.", Input::Line),
        needed(
            "licence",
            "Licence",
            "The open licence the work is released under, by its SPDX name, such as MIT, Apache-2.0 or GPL-3.0-or-later.",
            Input::Line,
        ),
    ],
};

/// The same of a wish, whose text is taken as it is: its first line is the title.
const WISHED: Section = Section {
    title: "The task",
    words: "What should be done, as it was wished. Its first line is the title.",
    folded: false,
    fields: &[
        needed(
            "text",
            "What is asked",
            "The text is fixed with the charter: it can never change. If it is not the wish's, word for word, the wish's page says so.",
            Input::Text,
        ),
        needed("repository", "Repository", "A charter of a wish is for the wish's repository.", Input::Line),
        needed(
            "licence",
            "Licence",
            "The open licence the work is released under, by its SPDX name, such as MIT, Apache-2.0 or GPL-3.0-or-later.",
            Input::Line,
        ),
    ],
};

const MONEY: Section = Section {
    title: "The money",
    words: "All amounts are in satoshis (sat): 100,000,000 sat are one bitcoin.",
    folded: false,
    fields: &[
        needed("target_sat", "Target, sat", "What the work needs.", Input::Number),
        field(
            "cap_sat",
            "Cap, sat",
            "Most that counts; what comes later goes back. Left empty: twice the target.",
            Input::Number,
        ),
        field(
            "minimum_pledge_sat",
            "Least pledge, sat",
            "Smaller payments do not count. Fees eat what is very small.",
            Input::Number,
        ),
        field(
            "funding_rule",
            "If the target is missed",
            "",
            Input::Choice(&[
                ("keep", "the task goes on with what it has"),
                (
                    "all_or_nothing",
                    "everything is returned, and work is handed in only once the target is there",
                ),
            ]),
        ),
    ],
};

const PEOPLE: Section = Section {
    title: "Who holds the three keys",
    words: "Any two of the three can move the money before the refund time. Paste public keys only, as the command upfront key show prints them: each begins with a fingerprint in square brackets. They should be three people who do not know each other too well.",
    folded: false,
    fields: &[
        needed("developer", "Developer's key", "Does the work and hands it in.", Input::Key),
        field("developer_nominated_by", "Named by", "Who named the developer.", Input::Line),
        needed(
            "representative",
            "Representative's key",
            "Speaks for the sponsors, and accepts or refuses the work.",
            Input::Key,
        ),
        field("representative_nominated_by", "Named by", "Who named the representative.", Input::Line),
        needed("arbiter", "Arbiter's key", "Decides over the money of those who said no.", Input::Key),
        field("arbiter_nominated_by", "Named by", "Who named the arbiter.", Input::Line),
    ],
};

const PAID: Section = Section {
    title: "Who is paid",
    words: "Addresses and shares; all shares together make 100 %.",
    folded: false,
    fields: &[
        needed(
            "payee_1_address",
            "Address",
            "Of whoever does the work. It gets what the others leave, unless you say how much.",
            Input::Mono,
        ),
        field("payee_1_share", "Share, %", "Left empty: the rest.", Input::Number),
    ],
};

const MORE_PAID: Section = Section {
    title: "Share it with others",
    words: "More people who are paid, the project's leader, and whoever runs this service.",
    folded: true,
    fields: &[
        field("payee_2_address", "Second address", "", Input::Mono),
        field("payee_2_share", "Share, %", "", Input::Number),
        field("payee_3_address", "Third address", "", Input::Mono),
        field("payee_3_share", "Share, %", "", Input::Number),
        field("payee_4_address", "Fourth address", "", Input::Mono),
        field("payee_4_share", "Share, %", "", Input::Number),
        field("leader_address", "Project leader's address", "", Input::Mono),
        field("leader_share", "Share, %", "May be 0.", Input::Number),
        field(
            "leader_key",
            "Project leader's public key",
            "npub or 64 hex digits: what the leader speaks with. No power over money.",
            Input::Mono,
        ),
        field("operator_address", "Operator's address", "Whoever runs this service.", Input::Mono),
        field("operator_share", "Share, %", "", Input::Number),
    ],
};

const RULES: Section = Section {
    title: "How votes move money",
    words: "Everyone decides over their own money: a yes pays the voter's own pledge, a no holds it for the arbiter. These rules are for the rest.",
    folded: true,
    fields: &[
        field(
            "silence",
            "Money of those who say nothing",
            "",
            Input::Choice(&[
                ("pay", "follows the majority, once the representative accepts the work"),
                ("hold", "stays, and goes back at the refund time"),
            ]),
        ),
        field(
            "threshold",
            "Threshold, %",
            "So much of the money that votes must say yes, before silent money moves. More than half.",
            Input::Number,
        ),
        field("quorum", "Quorum, %", "So much of all money must have voted.", Input::Number),
        field("yes_waits", "A yes waits for the threshold too", "Else it pays at once.", Input::Check),
        field(
            "vote_opens",
            "Sponsors vote when",
            "",
            Input::Choice(&[
                ("none", "work is handed in"),
                ("merged", "the work is merged"),
                ("released", "the work is released"),
            ]),
        ),
    ],
};

const DETAILS: Section = Section {
    title: "Details of the chain",
    words: "Leave them as they are, unless you know why.",
    folded: true,
    fields: &[
        field("depth", "Confirmations", "Until a payment counts.", Input::Number),
        field(
            "pot",
            "Address for gifts, if the task fails",
            "Gifts have no sender to go back to. Left empty: they stay where they are.",
            Input::Mono,
        ),
        field("feerate_cap_sat_per_vb", "Highest feerate, sat/vB", "Signers refuse more.", Input::Number),
    ],
};

const fn times(refund_hint: &'static str, reviews: Windows, rulings: Windows) -> [Field; 6] {
    [
        needed("refund_time", "Refund time T", refund_hint, Input::When),
        field(
            "funding_close",
            "Funding closes",
            "No pledge counts after it. Left empty: half-way to the work deadline.",
            Input::When,
        ),
        field(
            "work_deadline",
            "Work is due",
            "Left empty: the latest that leaves time to vote, to rule and to pay before T.",
            Input::When,
        ),
        field(
            "milestones",
            "In parts",
            "Shares and dates, apart by commas: 50%:2027-01-11, 30%:2027-02-08, 20%. Each part is handed in, voted on and paid by itself; the last may leave its date out. Left empty: all of it at once.",
            Input::Line,
        ),
        field(
            "review",
            "Sponsors vote for",
            "From the block that the handed-in work names.",
            Input::Choice(reviews),
        ),
        field(
            "ruling",
            "Then the arbiter has",
            "To rule over the money of the noes.",
            Input::Choice(rulings),
        ),
    ]
}

type Windows = &'static [(&'static str, &'static str)];

static WEEKLY: [Field; 6] = times(
    "From here on every sponsor can take back alone what was not paid, and it goes back by itself. A Monday, 00:00 UTC.",
    REVIEWS,
    RULINGS,
);
static QUICK: [Field; 6] = times(
    "From here on every sponsor can take back alone what was not paid, and it goes back by itself. From now: 1h, 90m, 2d.",
    MINUTES,
    MINUTES,
);

/// The form on a network, of a wish or not, section by section.
pub fn sections(network: Network, wished: bool) -> [Section; 8] {
    let fields: &'static [Field] = match network {
        Network::Mainnet | Network::Testnet4 | Network::Signet => &WEEKLY,
        Network::Regtest => &QUICK,
    };
    let when = Section {
        title: "The time",
        words: "Deadlines go by the chain's time. They follow each other: funding, work, votes, ruling, refunds.",
        folded: false,
        fields,
    };
    let task = if wished { WISHED } else { TASK };
    [task, MONEY, when, PEOPLE, PAID, MORE_PAID, RULES, DETAILS]
}

/// A value that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// As it is sent.
    pub value: &'static str,
    /// As it is read.
    pub words: &'static str,
    /// Whether it is the one.
    pub chosen: bool,
}

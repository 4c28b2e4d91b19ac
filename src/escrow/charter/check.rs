//! The checks behind [`super::Charter::from_fields`], one function a group of fields.

use super::super::keys::SignerKey;
use super::super::network::Network;
use super::super::statement::Role;
use super::{Bps, CharterError, CharterFields, FundingRule, Payee, Share, SubmissionsOpen};
use bitcoin::Amount;
use bitcoin::absolute::LOCK_TIME_THRESHOLD;
use bitcoin::address::{Address, NetworkUnchecked};
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::Deserialize;
use std::str::FromStr;

/// Most payees: a payout's outputs are carried by its inputs, and twenty are 860 vB.
const MAX_PAYEES: usize = 20;
/// Most milestones.
const MAX_MILESTONES: usize = 20;
/// Least minimum pledge: the dust limit of a Taproot output (330 sat at Core's 3 sat/vB).
const LEAST_MINIMUM_SAT: u64 = 330;
/// Highest feerate cap: ten times what mainnet has seen over a whole day.
const MAX_FEERATE_CAP: u64 = 2_000;
/// Miniscript's `after()` takes no more than 31 bits.
const MAX_TIME: u32 = 0x7fff_ffff;

impl CharterFields {
    /// Whether a task may still open at this median time past.
    pub fn can_open(&self, mtp_secs: u32) -> bool {
        mtp_secs < self.funding_close
    }

    /// Whether funding has closed: what confirms now counts no more.
    pub fn funding_closed(&self, mtp_secs: u32) -> bool {
        mtp_secs > self.funding_close
    }

    /// Whether T has passed: blocks take refunds.
    pub fn refundable(&self, mtp_secs: u32) -> bool {
        mtp_secs > self.refund_time
    }

    pub(super) fn deserialize_from(value: &serde_json::Value) -> Result<Self, CharterError> {
        CharterFields::deserialize(value).map_err(|e| CharterError::Shape { detail: e.to_string() })
    }
}

pub(super) fn signers(fields: &CharterFields) -> Result<[SignerKey; 3], CharterError> {
    if fields.version != 1 {
        return Err(CharterError::Version { given: fields.version });
    }
    let parse = |role, text: &str| {
        SignerKey::parse(text, fields.network).map_err(|source| CharterError::Key { role, source }).and_then(
            |key| {
                // One spelling only: `'` and `h` would give one charter two ids.
                if key.to_string() == text {
                    Ok(key)
                } else {
                    Err(CharterError::Text {
                        field: role.name(),
                        reason: "write the key's path with h, as in [d34db33f/87h/0h/0h]xpub...",
                    })
                }
            },
        )
    };
    let developer = parse(Role::Developer, &fields.developer.key)?;
    let representative = parse(Role::Representative, &fields.representative.key)?;
    let arbiter = parse(Role::Arbiter, &fields.arbiter.key)?;
    let same = |a: &SignerKey, b: &SignerKey| a.xpub().public_key == b.xpub().public_key;
    for (first, a, second, b) in [
        (Role::Developer, &developer, Role::Representative, &representative),
        (Role::Developer, &developer, Role::Arbiter, &arbiter),
        (Role::Representative, &representative, Role::Arbiter, &arbiter),
    ] {
        if same(a, b) {
            return Err(CharterError::DuplicateSigner { first, second });
        }
    }
    Ok([developer, representative, arbiter])
}

pub(super) fn texts(fields: &CharterFields) -> Result<(), CharterError> {
    let text = |field, value: &str, max: usize| {
        let reason = if value.trim().is_empty() {
            "must not be empty"
        } else if value.len() > max {
            "is too long"
        } else if let Some(reason) = unseen(value) {
            reason
        } else {
            return Ok(());
        };
        Err(CharterError::Text { field, reason })
    };
    text("repository", &fields.repository, 300)?;
    text("developer.nominated_by", &fields.developer.nominated_by, 200)?;
    text("representative.nominated_by", &fields.representative.nominated_by, 200)?;
    text("arbiter.nominated_by", &fields.arbiter.nominated_by, 200)?;
    text("licence", &fields.licence, 100)?;
    let spdx = |c: char| c.is_ascii_alphanumeric() || " .-+()".contains(c);
    if !fields.licence.chars().all(spdx) {
        return Err(CharterError::Text {
            field: "licence",
            reason: "is not an SPDX expression, such as MIT or Apache-2.0",
        });
    }
    Ok(())
}

/// Why a text could show something other than it is: control, bidirectional or zero-width characters.
pub fn unseen(value: &str) -> Option<&'static str> {
    let hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}' | '\u{2028}' | '\u{2029}' | '\u{00ad}' | '\u{e0000}'..='\u{e007f}');
    if value.chars().any(char::is_control) {
        Some("has control characters; write it in one line")
    } else if value.chars().any(hidden) {
        Some("has characters that cannot be seen (zero-width or bidirectional)")
    } else {
        None
    }
}

/// A text that strangers wrote, made inert for pages, feeds and terminals: what cannot be seen, turns the direction
/// of writing, or is no XML is shown as a replacement character, and what could move a cursor as a space. Lines and
/// tabs are kept. Whatever is markup where it goes is still to be escaped there.
pub fn inert(text: &str) -> String {
    let kept = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => ' ',
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if unseen(c.encode_utf8(&mut [0; 4])).is_some() => '\u{fffd}',
        c => c,
    };
    text.replace("\r\n", "\n").chars().map(kept).collect()
}

pub(super) fn times(fields: &CharterFields) -> Result<(), CharterError> {
    let network = fields.network;
    for (field, given) in [
        ("refund_time", fields.refund_time),
        ("funding_close", fields.funding_close),
        ("work_deadline", fields.work_deadline),
    ] {
        if given < LOCK_TIME_THRESHOLD {
            return Err(CharterError::NotATime { field, given });
        }
    }
    if fields.refund_time > MAX_TIME {
        return Err(CharterError::TimeTooLate { given: fields.refund_time });
    }
    if !network.on_grid(fields.refund_time) {
        return Err(CharterError::OffGrid {
            given: fields.refund_time,
            network,
            step_secs: network.grid_secs(),
            next: network.grid_at_or_after(fields.refund_time),
        });
    }
    for (field, given_secs, min_secs) in [
        ("review_secs", fields.review_secs, network.min_review_secs()),
        ("ruling_secs", fields.ruling_secs, network.min_ruling_secs()),
    ] {
        if given_secs < min_secs {
            return Err(CharterError::WindowTooShort { field, given_secs, min_secs, network });
        }
    }
    let before = |earlier, earlier_at: u64, later, later_at: u64| {
        if earlier_at <= later_at {
            Ok(())
        } else {
            Err(CharterError::OutOfOrder { earlier, earlier_at, later, later_at })
        }
    };
    let work = u64::from(fields.work_deadline);
    before("funding_close", fields.funding_close.into(), "work_deadline", work)?;
    let ruled = work + u64::from(fields.review_secs) + u64::from(fields.ruling_secs);
    let cutoff = u64::from(fields.refund_time - network.cutoff_secs());
    before("work_deadline + review_secs + ruling_secs", ruled, "the payout cut-off", cutoff)?;
    let mut last = 0;
    for milestone in &fields.milestones {
        before("one milestone's due", last, "the next one's", milestone.due.into())?;
        last = milestone.due.into();
    }
    before("the last milestone's due", last, "work_deadline", work)
}

pub(super) fn amounts(fields: &CharterFields) -> Result<(), CharterError> {
    for (field, given_sat) in [
        ("minimum_pledge_sat", fields.minimum_pledge_sat),
        ("target_sat", fields.target_sat),
        ("cap_sat", fields.cap_sat),
    ] {
        if given_sat > Amount::MAX_MONEY.to_sat() {
            return Err(CharterError::TooMuch { field, given_sat });
        }
    }
    if fields.minimum_pledge_sat < LEAST_MINIMUM_SAT {
        return Err(CharterError::DustMinimum {
            given_sat: fields.minimum_pledge_sat,
            min_sat: LEAST_MINIMUM_SAT,
        });
    }
    if fields.minimum_pledge_sat > fields.target_sat {
        return Err(CharterError::AmountOrder { smaller: "minimum_pledge_sat", larger: "target_sat" });
    }
    if fields.target_sat > fields.cap_sat {
        return Err(CharterError::AmountOrder { smaller: "target_sat", larger: "cap_sat" });
    }
    Ok(())
}

pub(super) fn rules(fields: &CharterFields) -> Result<(), CharterError> {
    if !(1..=100).contains(&fields.depth) {
        return Err(CharterError::Depth { given: fields.depth });
    }
    let rate = |field, given: u16, min: u16| {
        if (min..=10_000).contains(&given) { Ok(()) } else { Err(CharterError::Rate { field, given, min }) }
    };
    // A threshold of half or less would let a minority move silent money.
    rate("acceptance.threshold_bps", fields.acceptance.threshold_bps, 5_001)?;
    rate("acceptance.quorum_bps", fields.acceptance.quorum_bps, 0)?;
    if fields.funding_rule == FundingRule::AllOrNothing
        && fields.submissions_open != SubmissionsOpen::WhenTargetCredited
    {
        return Err(CharterError::EarlySubmissions);
    }
    if !(1..=MAX_FEERATE_CAP).contains(&fields.feerate_cap_sat_per_vb) {
        return Err(CharterError::FeerateCap { given: fields.feerate_cap_sat_per_vb, max: MAX_FEERATE_CAP });
    }
    count("milestones", fields.milestones.len(), MAX_MILESTONES)?;
    let mut sum = 0;
    for (i, milestone) in fields.milestones.iter().enumerate() {
        sum += u64::from(share(&format!("milestones.{i}.share_bps"), milestone.share_bps)?.get());
    }
    whole("milestones", sum)
}

pub(super) fn shares(fields: &CharterFields) -> Result<Vec<Share>, CharterError> {
    shares_with(fields, &fields.payees)
}

/// The shares with other payees in place of the charter's: leader and operator keep theirs.
pub(super) fn shares_with(fields: &CharterFields, payees: &[Payee]) -> Result<Vec<Share>, CharterError> {
    count("payees", payees.len(), MAX_PAYEES)?;
    let mut shares = Vec::new();
    for (i, payee) in payees.iter().enumerate() {
        shares.push(Share {
            name: format!("payee {}", i + 1),
            address: address(&format!("payees.{i}.address"), &payee.address, fields.network)?,
            share: share(&format!("payees.{i}.share_bps"), payee.share_bps)?,
        });
    }
    if let Some(leader) = &fields.leader {
        public_key("leader.key", &leader.key)?;
        let address = address("leader.address", &leader.address, fields.network)?;
        // A leader without a share still has an address to be told; only a share makes an output.
        if leader.share_bps > 0 {
            let share = share("leader.share_bps", leader.share_bps)?;
            shares.push(Share { name: "leader".into(), address, share });
        }
    }
    if let Some(operator) = &fields.operator {
        shares.push(Share {
            name: "operator".into(),
            address: address("operator.address", &operator.address, fields.network)?,
            share: share("operator.share_bps", operator.share_bps)?,
        });
    }
    whole("payees, leader and operator", shares.iter().map(|s| u64::from(s.share.get())).sum())?;
    Ok(shares)
}

fn share(field: &str, bps: u16) -> Result<Bps, CharterError> {
    match Bps::new(bps) {
        Some(share) if bps > 0 => Ok(share),
        _ => Err(CharterError::Share { field: field.into() }),
    }
}

fn whole(what: &'static str, sum_bps: u64) -> Result<(), CharterError> {
    if sum_bps == 10_000 { Ok(()) } else { Err(CharterError::ShareSum { what, sum_bps }) }
}

fn count(field: &'static str, given: usize, max: usize) -> Result<(), CharterError> {
    if (1..=max).contains(&given) { Ok(()) } else { Err(CharterError::Count { field, given, max }) }
}

pub(super) fn public_key(field: &'static str, hex: &str) -> Result<XOnlyPublicKey, CharterError> {
    match XOnlyPublicKey::from_str(hex) {
        Ok(key) if key.to_string() == hex => Ok(key),
        _ => Err(CharterError::PublicKey { field }),
    }
}

/// An address in its one canonical spelling, on the right network.
pub fn address(field: &str, text: &str, network: Network) -> Result<Address, CharterError> {
    let unchecked: Address<NetworkUnchecked> =
        text.parse().map_err(|_| CharterError::Address { field: field.into() })?;
    let address = unchecked
        .require_network(network.bitcoin())
        .map_err(|_| CharterError::AddressNetwork { field: field.into(), network })?;
    // Upper-case bech32 is the same address with another spelling, and so another charter id.
    if address.to_string() == text {
        Ok(address)
    } else {
        Err(CharterError::Text { field: "address", reason: "write bech32 addresses in lower case" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_is_inert() {
        for (written, shown) in [
            ("a\u{202e}b\u{200b}c\r\nd\te\u{0}", "a\u{fffd}b\u{fffd}c\nd\te "),
            ("a\u{1b}[2J\rb\u{85}", "a [2J b "),
            ("\u{fffe}\u{ffff}\u{feff}", "\u{fffd}\u{fffd}\u{fffd}"),
            ("žluťoučký 🐎 <b>", "žluťoučký 🐎 <b>"),
        ] {
            assert_eq!(inert(written), shown, "{written:?}");
        }
    }
}

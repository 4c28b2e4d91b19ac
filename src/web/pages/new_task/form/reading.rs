//! From the texts of the form to the values of a draft: numbers, shares, keys, addresses, people who are paid.

use super::super::fields::PAYEE_FIELDS;
use super::Form;
use crate::draft::when::{Span, When};
use crate::draft::{Draft, FundingArg, SilenceArg, VoteArg};
use crate::escrow::charter::address;
use crate::escrow::keys::SignerKey;
use crate::nip98;

/// All.
const ALL_BPS: u32 = 10_000;

impl Form {
    pub(super) fn values_of_draft(&mut self) -> Draft {
        let payees = self.payees();
        let (leader_address, leader_share_bps, leader_key) = self.leader();
        Draft {
            network: Some(self.network),
            task_id: self.wish.as_ref().map(|wish| wish.id),
            repository: self.given("repository"),
            licence: self.given("licence"),
            developer: self.key("developer"),
            representative: self.key("representative"),
            arbiter: self.key("arbiter"),
            developer_nominated_by: self.given("developer_nominated_by"),
            representative_nominated_by: self.given("representative_nominated_by"),
            arbiter_nominated_by: self.given("arbiter_nominated_by"),
            refund_time: self.read("refund_time", str::parse::<When>),
            funding_close: self.read("funding_close", str::parse::<When>),
            work_deadline: self.read("work_deadline", str::parse::<When>),
            review: self.read("review", str::parse::<Span>),
            ruling: self.read("ruling", str::parse::<Span>),
            depth: self.read("depth", whole),
            target_sat: self.read("target_sat", whole),
            cap_sat: self.read("cap_sat", whole),
            minimum_pledge_sat: self.read("minimum_pledge_sat", whole),
            threshold_bps: self.read("threshold", share),
            quorum_bps: self.read("quorum", share),
            silence: self.read("silence", |given| match given {
                "pay" => Ok(SilenceArg::Pay),
                "hold" => Ok(SilenceArg::Hold),
                _ => Err("pay or hold"),
            }),
            yes_waits: self.read("yes_waits", |given| given.parse::<bool>().map_err(|_| "true or false")),
            payees,
            milestones: self.milestones(),
            leader_address,
            leader_share_bps,
            leader_key,
            operator: self.operator(),
            funding_rule: self.read("funding_rule", |given| match given {
                "keep" => Ok(FundingArg::Keep),
                "all_or_nothing" => Ok(FundingArg::AllOrNothing),
                _ => Err("keep or all_or_nothing"),
            }),
            vote_opens: self.read("vote_opens", |given| match given {
                "none" => Ok(VoteArg::None),
                "merged" => Ok(VoteArg::Merged),
                "released" => Ok(VoteArg::Released),
                _ => Err("none, merged or released"),
            }),
            pot: self.address("pot"),
            receipt_key: None,
            feerate_cap_sat_per_vb: self.read("feerate_cap_sat_per_vb", whole),
        }
    }

    /// A signer's key in its one spelling. What may be a secret is not shown again.
    fn key(&mut self, name: &'static str) -> Option<String> {
        let network = self.network;
        let parsed = self.read(name, |text| SignerKey::parse(text, network));
        if parsed.is_none() && self.errors.contains_key(name) {
            let public = self.raw(name).contains("pub") && !self.raw(name).contains("prv");
            if !public {
                self.values.remove(name);
            }
        }
        parsed.map(|key| key.to_string())
    }

    fn address(&mut self, name: &'static str) -> Option<String> {
        let network = self.network;
        let words = |_| format!("This is no address of {network}. Write bech32 addresses in lower case.");
        self.read(name, |text| address(name, text, network).map_err(words)).map(|address| address.to_string())
    }

    fn payees(&mut self) -> Vec<String> {
        let operator = self.read("operator_share", share).unwrap_or(0);
        let mut others = u32::from(operator);
        others += u32::from(self.read("leader_share", share).unwrap_or(0));
        let mut payees = Vec::new();
        for (address, share_name) in PAYEE_FIELDS {
            let given = self.read(share_name, share);
            if given.is_none() && address != PAYEE_FIELDS[0].0 && self.given(address).is_some() {
                self.wrong_with(share_name, "Say how much.");
            }
            if given == Some(0) {
                self.wrong_with(share_name, "More than 0, or no address.");
            }
            if given.is_some() && self.given(address).is_none() {
                self.wrong_with(address, "Say to whom.");
            }
            if let Some(to) = self.address(address) {
                payees.push((to, given));
            }
        }
        others += payees.iter().map(|(_, share)| u32::from(share.unwrap_or(0))).sum::<u32>();
        let rest = u16::try_from(ALL_BPS.saturating_sub(others)).unwrap_or(0);
        payees.into_iter().map(|(to, share)| format!("{to}:{}", share.unwrap_or(rest))).collect()
    }

    fn milestones(&mut self) -> Vec<String> {
        let given = self.given("milestones").unwrap_or_default();
        given.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    fn leader(&mut self) -> (Option<String>, Option<u16>, Option<String>) {
        let to = self.address("leader_address");
        let part = self.read("leader_share", share);
        let key = self.read("leader_key", |text| {
            nip98::parse_public(text)
                .map(|key| key.to_string())
                .ok_or("a public key: npub1... or 64 hex digits")
        });
        let some =
            ["leader_address", "leader_share", "leader_key"].iter().any(|name| self.given(name).is_some());
        let waits = matches!(self.raw("vote_opens").trim(), "merged" | "released");
        let words = match waits {
            true => {
                "Votes wait for the leader's word: a leader has an address and a key. The share may be 0."
            }
            false => "A leader has an address and a key.",
        };
        for name in ["leader_address", "leader_key"] {
            if (some || waits) && self.given(name).is_none() {
                self.wrong_with(name, words);
            }
        }
        (to, part, key)
    }

    fn operator(&mut self) -> Option<String> {
        let to = self.address("operator_address");
        let part = self.read("operator_share", share);
        match (self.given("operator_address").is_some(), self.given("operator_share").is_some()) {
            (true, false) => self.wrong_with("operator_share", "Say how much."),
            (false, true) => self.wrong_with("operator_address", "Say to whom."),
            _ => {}
        }
        Some(format!("{}:{}", to?, part?))
    }
}

/// A whole number; people part thousands.
fn whole<N: std::str::FromStr>(text: &str) -> Result<N, &'static str> {
    text.replace([',', ' ', '_', '\u{a0}'], "").parse().map_err(|_| "Write a whole number.")
}

/// A share in per cent, with at most two decimals, in basis points.
fn share(text: &str) -> Result<u16, &'static str> {
    const WORDS: &str = "Write a share from 0 to 100, with at most two decimals.";
    let text = text.trim_end_matches('%').trim().replace(',', ".");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || part.len() > 2 || !digits(whole) || !digits(part) {
        return Err(WORDS);
    }
    let whole: u16 = whole.parse().map_err(|_| WORDS)?;
    let part: u16 = format!("{part:0<2}").parse().map_err(|_| WORDS)?;
    let bps = whole * 100 + part;
    if u32::from(bps) <= ALL_BPS { Ok(bps) } else { Err(WORDS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_numbers_are_read_as_people_write_them() {
        for (text, bps) in
            [("100", 10_000), ("66.67", 6_667), ("2,5 %", 250), ("0", 0), ("0.5", 50), ("7.", 700)]
        {
            assert_eq!(share(text), Ok(bps), "{text}");
        }
        for bad in ["", "101", "100.01", "-1", "1.234", "x", "1e2", "999999", ".5"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        assert_eq!(whole::<u64>("1,000 000"), Ok(1_000_000));
        assert!(whole::<u32>("1.5").is_err() && whole::<u32>("-1").is_err() && whole::<u32>("").is_err());
    }
}

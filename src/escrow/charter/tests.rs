//! Charters: what is accepted, what is refused and why.

use super::*;
use crate::escrow::network::DAY_SECS;
use crate::escrow::statement::Statement;
use crate::escrow::testing;
use proptest::prelude::*;

fn refused(change: impl FnOnce(&mut CharterFields)) -> CharterError {
    let mut fields = testing::fields(Network::Signet);
    change(&mut fields);
    Charter::from_fields(fields).unwrap_err()
}

#[test]
fn canonical_bytes_round_trip() {
    for network in Network::ALL {
        let charter = testing::charter(network);
        let again = Charter::parse(charter.bytes()).unwrap();
        assert_eq!(again, charter);
        assert_eq!(again.id(), charter.id());
    }
}

#[test]
fn every_cause_has_its_own_error() {
    let t = testing::fields(Network::Signet).refund_time;
    let codes = [
        (refused(|f| f.version = 2), "charter_version"),
        (refused(|f| f.developer.key = testing::seat(Network::Mainnet, 1).key), "key_wrong_network"),
        (refused(|f| f.arbiter.key = f.developer.key.clone()), "charter_duplicate_signer"),
        (refused(|f| f.refund_time += DAY_SECS), "charter_off_grid"),
        (refused(|f| f.refund_time = 700_000), "charter_not_a_time"),
        (refused(|f| f.refund_time = 0xffff_0000), "charter_time_too_late"),
        (refused(|f| f.review_secs = DAY_SECS), "charter_window_too_short"),
        (refused(|f| f.ruling_secs = DAY_SECS), "charter_window_too_short"),
        (refused(|f| f.funding_close = f.work_deadline + 1), "charter_out_of_order"),
        (refused(|f| f.work_deadline = t - 20 * DAY_SECS), "charter_out_of_order"),
        (refused(|f| f.milestones[0].due = f.work_deadline + 1), "charter_out_of_order"),
        (refused(|f| f.minimum_pledge_sat = 329), "charter_dust_minimum"),
        (refused(|f| f.target_sat = f.cap_sat + 1), "charter_amount_order"),
        (refused(|f| f.cap_sat = 2_100_000_000_000_001), "charter_too_much"),
        (refused(|f| f.payees[0].share_bps -= 1), "charter_share_sum"),
        (refused(|f| f.payees[0].share_bps = 0), "charter_share"),
        (refused(|f| f.payees.clear()), "charter_count"),
        (refused(|f| f.milestones[0].share_bps = 9_999), "charter_share_sum"),
        (refused(|f| f.depth = 0), "charter_depth"),
        (refused(|f| f.acceptance.threshold_bps = 5_000), "charter_rate"),
        (refused(|f| f.acceptance.quorum_bps = 10_001), "charter_rate"),
        (refused(|f| f.feerate_cap_sat_per_vb = 0), "charter_feerate_cap"),
        (refused(|f| f.funding_rule = FundingRule::AllOrNothing), "charter_early_submissions"),
        (refused(|f| f.receipt_key = "00".repeat(32)), "charter_public_key"),
        (refused(|f| f.pot = Some("nonsense".into())), "charter_address"),
        (refused(|f| f.pot = testing::fields(Network::Mainnet).pot), "charter_address_network"),
        (refused(|f| f.repository = "a\u{202e}b".into()), "charter_text"),
        (refused(|f| f.licence = "MIT; rm".into()), "charter_text"),
    ];
    for (error, code) in codes {
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn the_bytes_must_be_the_canonical_ones() {
    let charter = testing::charter(Network::Regtest);
    let text = std::str::from_utf8(charter.bytes()).unwrap();
    let code = |text: String| Charter::parse(text.as_bytes()).unwrap_err().code();
    assert_eq!(code(text.replacen('{', "{ ", 1)), "charter_not_canonical");
    assert_eq!(code(text.replacen('{', "{\"depth\":1,", 1)), "charter_duplicate_key");
    assert_eq!(code(text.replacen('{', "{\"zzz\":1,", 1)), "charter_unknown_key");
    assert_eq!(code(text.replacen("\"depth\":1,", "", 1)), "charter_shape");
    assert_eq!(code(text.replacen("\"depth\":1,", "\"depth\":1.0,", 1)), "charter_not_json");
    assert_eq!(code(text.replacen("\"depth\":1,", "\"depth\":-1,", 1)), "charter_shape");
    assert_eq!(code(format!("{text} x")), "charter_not_json");
    assert_eq!(code("x".repeat(MAX_CHARTER_BYTES + 1)), "charter_too_long");
    assert_eq!(code("[".repeat(MAX_CHARTER_BYTES)), "charter_not_json");
}

#[test]
fn attestations_bind_seat_and_charter() {
    let secp = Secp256k1::new();
    let charter = testing::charter(Network::Regtest);
    let other = testing::charter(Network::Signet);
    for role in Role::ALL {
        let signature =
            Attest { charter: charter.id() }.sign(&secp, &testing::statement_keypair(Network::Regtest, role));
        assert!(charter.verify_attestation(&secp, role, &signature).is_ok());
        assert!(other.verify_attestation(&secp, role, &signature).is_err());
        for wrong in Role::ALL.into_iter().filter(|wrong| *wrong != role) {
            assert!(charter.verify_attestation(&secp, wrong, &signature).is_err());
        }
    }
}

proptest! {
    #[test]
    fn random_charters_round_trip(
        weeks in 1u32..500, depth in 1u32..=100, cap in 100_000u64..21_000_000, shares in prop::collection::vec(1u16..1000, 1..8),
        threshold in 5_001u16..=10_000, quorum in 0u16..=10_000, text in "[ -~]{1,80}",
    ) {
        let mut fields = testing::fields(Network::Signet);
        let shift = weeks * 7 * DAY_SECS;
        for time in [&mut fields.refund_time, &mut fields.funding_close, &mut fields.work_deadline, &mut fields.milestones[0].due] {
            *time += shift;
        }
        fields.depth = depth;
        fields.cap_sat = cap;
        fields.target_sat = cap / 2;
        fields.acceptance.threshold_bps = threshold;
        fields.acceptance.quorum_bps = quorum;
        fields.repository = format!("x{text}");
        let address = fields.payees[0].address.clone();
        fields.leader = None;
        fields.operator = None;
        let rest = 10_000 - shares.iter().sum::<u16>();
        fields.payees = shares.iter().chain([&rest]).map(|share| Payee { address: address.clone(), share_bps: *share }).collect();
        let charter = Charter::from_fields(fields).unwrap();
        let again = Charter::parse(charter.bytes()).unwrap();
        prop_assert_eq!(again.id(), charter.id());
        prop_assert_eq!(again.fields(), charter.fields());
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Charter::parse(&bytes).is_err());
    }

    #[test]
    fn a_changed_byte_never_keeps_the_id(at in 0usize..1500, byte in any::<u8>()) {
        let charter = testing::charter(Network::Regtest);
        let mut bytes = charter.bytes().to_vec();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(other) = Charter::parse(&bytes) {
            prop_assert_ne!(other.id(), charter.id());
        }
    }
}

//! Drafts: defaults, options over files, and what is refused.

use super::*;
use crate::escrow::charter::Charter;
use crate::escrow::testing;

fn ground(network: Network, now_secs: u32) -> Ground {
    let receipt_key = testing::receipt_keypair().x_only_public_key().0.to_string();
    Ground { network: Some(network), receipt_key: Some(receipt_key), now_secs }
}

fn draft(network: Network) -> Draft {
    let seat = |person| testing::seat(network, person).key;
    let toml = format!(
        "repository = \"https://example.org/parser\"\nlicence = \"MIT\"\ndeveloper = \"{}\"\n\
         representative = \"{}\"\narbiter = \"{}\"\ntarget_sat = 100_000\npayees = [\"{}:10000\"]\n",
        seat(1),
        seat(2),
        seat(3),
        testing::address(network, 0),
    );
    Draft::parse(&toml).unwrap()
}

#[test]
fn the_defaults_make_a_valid_charter_on_every_network() {
    for network in Network::ALL {
        let now = 1_795_000_000;
        let fields = draft(network).fields(b"text", &ground(network, now)).unwrap();
        let charter = Charter::from_fields(fields).unwrap();
        assert!(network.on_grid(charter.refund_time_secs()));
        assert!(charter.fields().funding_close > now && charter.fields().work_deadline > now);
        assert_eq!(charter.fields().text_hash, Digest::of(b"text"));
        assert_eq!(*charter.receipt_key(), testing::receipt_keypair().x_only_public_key().0);
    }
}

#[test]
fn options_win_over_the_file_and_times_count_from_the_chain() {
    let options = Draft {
        refund_time: Some("2h".parse().unwrap()),
        target_sat: Some(7_000_000),
        review: Some("60s".parse().unwrap()),
        ..Draft::default()
    };
    let fields =
        options.or(draft(Network::Regtest)).fields(b"", &ground(Network::Regtest, 1_795_000_030)).unwrap();
    assert_eq!(fields.refund_time, 1_795_007_280, "rounded up to the minute");
    assert_eq!((fields.target_sat, fields.cap_sat), (7_000_000, 14_000_000));
    assert_eq!((fields.review_secs, fields.ruling_secs), (60, 300));
}

#[test]
fn what_is_missing_is_named_with_its_option() {
    let error = Draft::default().fields(b"", &ground(Network::Regtest, 1_795_000_000)).unwrap_err();
    assert!(error.to_string().contains("target_sat"), "{error}");
    assert!(Draft::default().needs_service());
}

#[test]
fn a_draft_of_another_network_than_the_services_is_refused() {
    let options = Draft { network: Some(Network::Signet), ..Draft::default() };
    let error = options
        .or(draft(Network::Regtest))
        .fields(b"", &ground(Network::Regtest, 1_795_000_000))
        .unwrap_err();
    assert!(error.to_string().contains("signet"), "{error}");
}

#[test]
fn errors_of_a_draft_file_quote_nothing_but_field_names() {
    let error = Draft::parse("licence = \"MIT\"\nphrase = \"abandon abandon\"\n").unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("phrase") && !error.contains("abandon"), "{error}");
    let error = Draft::parse("target_sat = \"tprv8secret\"\n").unwrap_err().to_string();
    assert!(error.contains("line 1") && !error.contains("tprv8secret"), "{error}");
}

#[test]
fn milestones_are_shares_with_times_and_the_last_may_end_with_the_work() {
    let mut options = draft(Network::Regtest);
    options.refund_time = Some("90d".parse().unwrap());
    options.milestones = vec!["50%:10d".into(), "33.33%:20d".into(), "1667".into()];
    let now = 1_795_000_000;
    let fields = options.clone().fields(b"", &ground(Network::Regtest, now)).unwrap();
    let given: Vec<_> = fields.milestones.iter().map(|m| (m.share_bps, m.due)).collect();
    assert_eq!(given, [(5_000, now + 864_000), (3_333, now + 1_728_000), (1_667, fields.work_deadline)]);
    assert!(Charter::from_fields(fields).is_ok());
    for (bad, number) in [("50", 1), ("50.123%:10d", 1), ("x%:10d", 1), ("50%:soon", 1), ("-1%:10d", 1)] {
        options.milestones = vec![bad.into(), "50%".into()];
        let error = options.clone().fields(b"", &ground(Network::Regtest, now)).unwrap_err();
        assert_eq!(error, DraftError::Milestone { number }, "{bad}");
        assert_eq!((error.code(), error.field()), ("milestone", Some("milestones")));
    }
    assert_eq!(
        [share_bps("100%"), share_bps("0.5 %"), share_bps("700%"), share_bps("%"), share_bps("9500")],
        [Some(10_000), Some(50), None, None, Some(9_500)].map(|share: Option<u16>| share.or(None)),
    );
    let file = Draft::parse("milestones = [\"40%:10d\", \"60%\"]\n").unwrap();
    assert_eq!(file.milestones.len(), 2);
}

#[test]
fn shares_are_written_in_percent_or_basis_points() {
    let payees = |texts: &[&str]| {
        let address = testing::address(Network::Regtest, 0);
        let payees = texts.iter().map(|share| format!("{address}:{share}")).collect();
        let draft = Draft { payees, ..Draft::default() }.or(draft(Network::Regtest));
        draft.fields(b"", &ground(Network::Regtest, 1_795_000_000))
    };
    let shares =
        |fields: CharterFields| fields.payees.iter().map(|payee| payee.share_bps).collect::<Vec<_>>();
    assert_eq!(shares(payees(&["95%", "500"]).unwrap()), [9_500, 500]);
    assert_eq!(shares(payees(&["33.34%", "66.66%"]).unwrap()), [3_334, 6_666]);
    for wrong in ["", "%", "95.123%", "-5%", "all"] {
        let error = payees(&[wrong]).unwrap_err();
        assert!(error.code() == "payee" && error.to_string().contains("100%"), "{wrong}: {error}");
    }
}

//! Every state of a pledge has words of its own.

use super::*;
use crate::escrow::network::Network;
use crate::escrow::testing;
use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};

fn held(amount_sat: u64, standing: Standing) -> OutpointView {
    OutpointView {
        outpoint: OutPoint { txid: Txid::all_zeros(), vout: 0 },
        generation: 0,
        uncovered: vec![0],
        amount_sat,
        standing: Some(standing),
        confirmations: 0,
        secured: false,
        pair_only: false,
        ended: None,
        moved: None,
        late_move: None,
    }
}

fn secured(amount_sat: u64, standing: Standing) -> OutpointView {
    OutpointView { secured: true, ..held(amount_sat, standing) }
}

fn ended(how: Ending, depth: u32) -> OutpointView {
    let ended = Some(Ended { how, txid: Txid::all_zeros(), depth });
    OutpointView { ended, ..secured(500_000, Standing::Credited) }
}

fn settles(pay_bps: u16, rest: Rest) -> Settled {
    Settled { pay_bps, rest }
}

/// What a payout left of a pledge, for the milestones 2 and 3.
fn left(standing: Standing) -> OutpointView {
    OutpointView { generation: 1, uncovered: vec![1, 2], ..secured(200_000, standing) }
}

/// The headline's state, under a tip of this median time past.
fn state(
    payments: &[OutpointView],
    settled: Option<Settled>,
    mtp_secs: Option<u32>,
) -> (&'static str, Words) {
    let terms = testing::fields(Network::Regtest);
    let case = Case {
        terms: &terms,
        promised_sat: 500_000,
        reserved_until_secs: terms.funding_close - 1_000,
        refund_address: "bcrt1pexample",
        mtp_secs,
    };
    let said: Vec<Words> = payments.iter().map(|held| case.payment(held, settled)).collect();
    let headline = case.headline(&payments.iter().zip(&said).collect::<Vec<_>>());
    (headline.state, headline)
}

#[test]
fn every_state_has_words_of_its_own() {
    let terms = testing::fields(Network::Regtest);
    let early = Some(terms.funding_close - 5_000);
    let at = |payments: &[OutpointView]| state(payments, None, early).0;
    let surplus = |reason| Standing::Surplus { reason };
    assert_eq!(at(&[]), "waiting");
    assert_eq!(state(&[], None, None).0, "waiting", "before the chain is known");
    assert_eq!(state(&[], None, Some(terms.funding_close - 1_000)).0, "lapsed");
    assert_eq!(state(&[], None, Some(terms.funding_close + 1)).0, "closed");
    assert_eq!(state(&[], None, Some(terms.refund_time + 1)).0, "over");
    assert_eq!(at(&[held(500_000, Standing::Vanished)]), "replaced");
    assert_eq!(at(&[held(500_000, Standing::Seen)]), "seen");
    assert_eq!(at(&[held(500_000, Standing::Confirming { depth: 1, of: 3 })]), "confirming");
    assert_eq!(at(&[held(500_000, Standing::Credited)]), "credited_unsecured");
    assert_eq!(at(&[secured(500_000, Standing::Credited)]), "credited_secured");
    assert_eq!(
        at(&[secured(500_000, Standing::Credited), held(1, Standing::BelowMinimum)]),
        "credited_unsecured"
    );
    assert_eq!(at(&[held(1, Standing::BelowMinimum)]), "below_minimum");
    assert_eq!(at(&[secured(500_000, surplus(Surplus::Late))]), "late");
    assert_eq!(at(&[secured(500_000, surplus(Surplus::OverCap))]), "over_cap");
    assert_eq!(at(&[secured(500_000, surplus(Surplus::AlreadySettled))]), "after_the_end");
    let late = Some(terms.refund_time + 1);
    assert_eq!(state(&[secured(500_000, Standing::Credited)], None, late).0, "refund_due");
    assert_eq!(state(&[held(500_000, Standing::Credited)], None, late).0, "refund_unsigned");
    assert_eq!(
        state(&[secured(500_000, Standing::Credited)], None, Some(terms.refund_time)).0,
        "credited_secured"
    );
    assert_eq!(at(&[ended(Ending::Refunded, 0)]), "refunding");
    assert_eq!(at(&[ended(Ending::Refunded, 1)]), "refunded");
    let settled =
        |bps, depth| state(&[ended(Ending::Settled, depth)], Some(settles(bps, Rest::Ruled)), early).0;
    assert_eq!([settled(10_000, 0), settled(10_000, 2)], ["paying", "paid"]);
    assert_eq!([settled(0, 0), settled(0, 2)], ["returning", "returned"]);
    assert_eq!([settled(4_000, 0), settled(4_000, 2)], ["dividing", "divided"]);
    assert_eq!(at(&[ended(Ending::Settled, 1)]), "moved");
}

#[test]
fn a_pledge_of_which_milestones_were_paid_says_what_stays() {
    let early = Some(testing::fields(Network::Regtest).funding_close - 5_000);
    let at = |payments: &[OutpointView], rest| state(payments, Some(settles(6_000, rest)), early);
    let split = |depth| ended(Ending::Settled, depth);
    assert_eq!(at(&[split(0), left(Standing::Seen)], Rest::Stays).0, "part_paying");
    let (name, words) = at(&[split(1), left(Standing::Credited)], Rest::Stays);
    assert_eq!(name, "part_paid_secured");
    assert!(words.text.starts_with("200,000 sat stay in escrow for milestones 2 and 3."), "{}", words.text);
    let open = OutpointView { secured: false, ..left(Standing::Credited) };
    assert_eq!(at(&[split(1), open], Rest::Stays).0, "part_paid_unsecured");
    assert_eq!(at(&[split(0)], Rest::Moves).0, "going_over");
    assert_eq!(at(&[split(1)], Rest::Moves).0, "went_over");
    let refunded = OutpointView { generation: 1, ..ended(Ending::Refunded, 1) };
    let (name, words) = at(&[split(1), refunded], Rest::Stays);
    assert_eq!((name, words.title.as_str()), ("refunded", "Part paid; the rest: refunded"));
    // A part that was never done is no ruling.
    let words = at(&[split(1)], Rest::Returned).1;
    assert!(words.text.starts_with("Not all that it was held for was done: 60"), "{}", words.text);
}

#[test]
fn what_needs_the_sponsor_is_said_first() {
    let seen = state(&[held(500_000, Standing::Seen)], None, Some(1)).1;
    assert!(seen.text.contains("Keep this tab open until your refund is secured"), "{}", seen.text);
    let safe = state(&[secured(500_000, Standing::Confirming { depth: 1, of: 3 })], None, Some(1)).1;
    assert_eq!(safe.title, "Your payment has 1 of 3 confirmations");
    assert!(safe.text.contains("may close this page"), "{}", safe.text);
    let both = [ended(Ending::Refunded, 1), held(500_000, Standing::Credited)];
    let late = Some(testing::fields(Network::Regtest).refund_time + 1);
    assert_eq!(state(&both, None, late).0, "refund_unsigned");
}

#[test]
fn what_is_unusual_is_remarked() {
    let terms = testing::fields(Network::Regtest);
    let case = Case {
        terms: &terms,
        promised_sat: 500_000,
        reserved_until_secs: 0,
        refund_address: "bcrt1pexample",
        mtp_secs: Some(1),
    };
    let remarks = |payments: &[OutpointView]| -> Vec<&str> {
        case.remarks(payments).iter().map(|remark| remark.state).collect()
    };
    assert!(remarks(&[held(500_000, Standing::Seen)]).is_empty());
    assert_eq!(remarks(&[held(499_999, Standing::Seen)]), ["under"]);
    assert!(
        remarks(&[held(terms.minimum_pledge_sat - 1, Standing::BelowMinimum)]).is_empty(),
        "that has words already"
    );
    assert_eq!(remarks(&[held(500_001, Standing::Seen)]), ["over_promised"]);
    assert_eq!(remarks(&[held(500_000, Standing::Seen), held(500_000, Standing::Seen)]), ["double"]);
    assert_eq!(remarks(&[held(500_000, Standing::Vanished), held(500_000, Standing::Seen)]), ["replacement"]);
    assert!(remarks(&[held(500_000, Standing::Vanished)]).is_empty());
    assert!(
        remarks(&[ended(Ending::Settled, 1), left(Standing::Credited)]).is_empty(),
        "what a payout left was not paid in anew"
    );
}

#[test]
fn the_refunds_safety_is_said_until_the_money_has_gone() {
    let terms = testing::fields(Network::Regtest);
    let case =
        Case { terms: &terms, promised_sat: 1, reserved_until_secs: 0, refund_address: "a", mtp_secs: None };
    let safety = |held: &OutpointView| case.security(held).map(|words| words.state);
    assert_eq!(safety(&held(1, Standing::Seen)), Some("unsecured"));
    assert_eq!(safety(&secured(1, Standing::Seen)), Some("secured"));
    let pair_only = OutpointView { pair_only: true, ..secured(1, Standing::Seen) };
    assert_eq!(safety(&pair_only), Some("secured_pair_only"));
    assert_eq!(safety(&held(1, Standing::Vanished)), None);
    assert_eq!(safety(&ended(Ending::Refunded, 0)), None);
}

#[test]
fn what_moves_alone_is_told_as_moved_and_before_that_as_what_was_signed() {
    use crate::escrow::pledge::Destination;
    use crate::escrow::statement::CharterId;
    let terms = testing::fields(Network::Regtest);
    let (early, late) = (Some(terms.funding_close - 5_000), Some(terms.refund_time + 1));
    let to = Some(Destination { to_charter: CharterId([7; 32]), to_index: 3 });
    let at = |held: &OutpointView| state(std::slice::from_ref(held), None, early);
    let moved = |depth| OutpointView { moved: to, ..ended(Ending::Moved, depth) };
    assert_eq!(at(&moved(0)).0, "going_over");
    let (name, words) = at(&moved(1));
    assert_eq!((name, words.title.as_str()), ("went_over", "Moved to another task"));
    assert!(!words.text.contains("back at"), "{}", words.text);
    let signed = OutpointView { late_move: to, ..secured(500_000, Standing::Credited) };
    let (name, words) = at(&signed);
    assert_eq!(name, "credited_secured");
    assert!(
        words.text.contains("moves to another task, as you signed, or comes back from"),
        "{}",
        words.text
    );
    let (name, words) = state(std::slice::from_ref(&signed), None, late);
    assert_eq!((name, words.title.as_str()), ("move_due", "Move due"));
    // Without a refund nothing goes back to anybody by itself: that is said first, and not hidden by the move.
    let bare = OutpointView { secured: false, ..signed };
    let (name, words) = state(std::slice::from_ref(&bare), None, late);
    assert_eq!((name, words.tone), ("refund_unsigned", "bad"));
    assert!(words.text.contains("Open this pledge with its key") && !words.text.contains("else back to you"));
    assert!(words.text.contains("your pledge under another charter"), "{}", words.text);
    let (name, words) = state(std::slice::from_ref(&bare), None, early);
    assert_eq!(name, "credited_unsecured");
    assert!(!words.text.contains("moves to another task"), "{}", words.text);
}

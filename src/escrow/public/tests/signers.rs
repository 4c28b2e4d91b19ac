//! Every act is told with the key that signed it, and what nobody signed with where it comes from.

use super::{sat, told};
use crate::escrow::public::{Form, Part, PublicEvent, SignedBy, Source, What, source, source_in_words};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Role};
use crate::escrow::testing::{self, World, statement_keypair};

/// A life with every act that somebody signs: attestations, a yes and a no, acceptance, ruling, two settlements.
fn lived() -> World {
    let mut world = World::new(|_| {});
    world.fund(sat(400_000));
    world.fund(sat(300_000));
    let submission = world.submit();
    world.vote(submission, 1, Choice::Yes, 0).unwrap();
    world.vote(submission, 2, Choice::No, 0).unwrap();
    world.judge(submission, true).unwrap();
    let close = world.task().window(&world.task().submissions()[0]).unwrap().closes_secs;
    world.advance_to(u32::try_from(close).unwrap() + 1);
    world.rule(submission, 2_500).unwrap();
    world.settle(Kind::Payout { submission }, [Role::Developer, Role::Representative]).unwrap();
    world.settle(Kind::Ruling { submission }, [Role::Developer, Role::Arbiter]).unwrap();
    world
}

#[test]
fn every_act_is_told_with_who_signed_it() {
    let world = lived();
    let seat = |role: Role| SignedBy {
        part: role.into(),
        form: Form::Bip340,
        key: Some(statement_keypair(world.network, role).x_only_public_key().0),
        fingerprint: Some(world.task().charter().signer(role).fingerprint()),
    };
    let of_sponsor = |event: &PublicEvent, form| SignedBy {
        part: Part::Sponsor,
        form,
        key: Some(world.sponsor(event.pledge.unwrap()).x_only_public_key().0),
        fingerprint: None,
    };
    let mut acts = 0;
    for event in told(&world) {
        let expected = match &event.what {
            What::CharterAttested { role } => Some(seat(*role)),
            What::PledgeIssued { .. } | What::VoteCast { .. } => Some(of_sponsor(&event, Form::Bip340)),
            What::RefundSecured { .. } => Some(of_sponsor(&event, Form::Transaction)),
            What::WorkSubmitted { .. } => Some(seat(Role::Developer)),
            What::AcceptanceGiven { .. } => Some(seat(Role::Representative)),
            What::RulingGiven { .. } => Some(seat(Role::Arbiter)),
            What::SettlementSigned { role, .. } => {
                Some(SignedBy { form: Form::Transaction, key: None, ..seat(*role) })
            }
            _ => None,
        };
        assert_eq!(event.signed_by, expected, "{event:?}");
        acts += usize::from(expected.is_some());
        assert_eq!(source(&event) == Source::Signed, expected.is_some(), "{event:?}");
        // The signature verifies under the key that is told.
        if let (What::VoteCast { .. }, Some(signed)) = (&event.what, event.signed_by) {
            let vote =
                &world.task().submissions()[0].votes[usize::try_from(event.pledge.unwrap() - 1).unwrap()];
            let speaker = crate::escrow::signature::Speaker::service(signed.key.unwrap());
            vote.vote.verify(&world.secp, &speaker).unwrap();
        }
    }
    assert_eq!(acts, 3 + 2 + 2 + 1 + 2 + 1 + 1 + 4);
}

#[test]
fn what_nobody_signed_says_where_it_comes_from() {
    let world = lived();
    let events = told(&world);
    let of = |kind: &str| events.iter().find(|event| event.what.kind() == kind).unwrap();
    let paid = of("payment_seen");
    let What::PaymentSeen(payment) = paid.what else { panic!("{paid:?}") };
    assert_eq!(source(paid), Source::Chain { txid: Some(payment.outpoint.txid) });
    assert_eq!(source_in_words(paid), "Seen on the chain");
    let What::SettlementBroadcast { txid, .. } = of("settlement_broadcast").what else { panic!() };
    assert_eq!(source(of("settlement_broadcast")), Source::Service { txid });
    assert_eq!(source(of("settlement_confirmed")), Source::Chain { txid: Some(txid) });
    for (kind, expected) in [
        ("task_drafted", Source::Nobody),
        ("settlement_proposed", Source::Nobody),
        ("stage_changed", Source::Rules),
        ("review_closed", Source::Rules),
        ("settlement_complete", Source::Rules),
    ] {
        assert_eq!(source(of(kind)), expected, "{kind}");
    }
    let root = testing::master(world.network, 3).fingerprint(&world.secp);
    assert_eq!(source_in_words(of("ruling_given")), format!("Signed by the arbiter, account of {root}"));
    assert_eq!(source_in_words(of("vote_cast")), "Signed by the sponsor of pledge 1");
}

/// The field was added later: events without it are read, what was there before is written as before, and a signature by
/// a wallet is told as one.
#[test]
fn the_signer_is_told_beside_all_that_was_told_before() {
    for event in told(&lived()) {
        let mut json = serde_json::to_value(&event).unwrap();
        assert_eq!(json.get("signed_by").is_some(), event.signed_by.is_some());
        json.as_object_mut().unwrap().remove("signed_by");
        let old: PublicEvent = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(old, PublicEvent { signed_by: None, ..event });
        assert_eq!(serde_json::to_value(&old).unwrap(), json);
    }
    for (part, form) in Part::ALL.iter().zip(Form::ALL.iter().cycle()) {
        assert_eq!(serde_json::to_value(part).unwrap(), part.name());
        assert_eq!(serde_json::to_value(form).unwrap(), form.name());
    }
}

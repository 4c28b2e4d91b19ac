//! What stays in escrow, over HTTP: refunds prepared for what a settlement may make, and moves to another task, now and
//! from T on.

use super::*;
use crate::escrow::charter::{Charter, VoteOpens};
use crate::escrow::descriptor::Slot;
use crate::escrow::refund::{Ladder, RefundTarget};
use crate::escrow::statement::{Attest, Confirmed, Evidence, EvidenceKind, MergeConfirmation, Move, Party};

impl World {
    /// Another task of the same service, open; calls are about it from here on. Answers with the charter before.
    pub(super) async fn elsewhere(
        &mut self,
        change: impl FnOnce(&mut crate::escrow::charter::CharterFields),
    ) -> Charter {
        let mut fields = self.charter.fields().clone();
        change(&mut fields);
        let charter = Charter::from_fields(fields).unwrap();
        let body = json!({ "charter": std::str::from_utf8(charter.bytes()).unwrap(), "text": testing::TEXT });
        assert!(self.post("/api/v1/tasks", body).await.0.is_success());
        let before = std::mem::replace(&mut self.charter, charter);
        self.id = self.charter.id();
        for role in Role::ALL {
            let key = testing::statement_keypair(NET, role);
            let signature = Attest { charter: self.id }.sign(&Secp256k1::new(), &key);
            self.sent("attestations", json!({ "role": role, "signature": signature })).await;
        }
        before
    }

    pub(super) fn back_to(&mut self, charter: Charter) {
        self.id = charter.id();
        self.charter = charter;
    }

    /// The refund of an output that pledge 1 may come to have, as its sponsor signs it.
    fn prepared(&self, generation: u32, outpoint: OutPoint, amount: Amount) -> Value {
        let target = self.service.read_task(&self.id, |task, _| {
            let output = task.output(Slot { index: 1, generation }).unwrap();
            RefundTarget::new(output, outpoint, amount, &task.pledges()[&1].refund_address).unwrap()
        });
        let refund = RefundBundle::sign(&Secp256k1::new(), target.unwrap(), &testing::sponsor(1)).unwrap();
        json!({ "generation": generation, "refund": refund.signatures() })
    }
}

/// Every operation on what stays in escrow or moves, each with a success; and words that no ordinary life has.
pub(super) async fn every_operation(world: &mut World, submission: SubmissionId, settlement: &str) {
    let secp = Secp256k1::new();
    let outpoint = world
        .service
        .read_task(&world.id, |task, _| {
            task.outpoints().values().find(|held| held.slot.index == 1).unwrap().outpoint
        })
        .unwrap();
    let held = world.service.read_task(&world.id, |task, _| task.outpoints()[&outpoint].amount).unwrap();
    let made = world.prepared(1, OutPoint { vout: 900, ..outpoint }, Amount::from_sat(40_000));
    world.sent("pledges/1/prepared-refunds", made).await;
    let (status, kept) = world.get(&world.path(&format!("settlements/{settlement}/prepared-refunds"))).await;
    assert!(status.is_success() && kept["refunds"] == json!([]), "a payout keeps nothing in escrow: {kept}");
    let evidence = Evidence {
        network: NET,
        charter: world.id,
        submission,
        kind: EvidenceKind::Evidence,
        by: Party::Pledge(1),
        text: "It does what was asked".into(),
        attachments: Vec::new(),
        counter: 0,
    };
    world.sent("evidence", json!(Signed::new(&secp, evidence, &testing::sponsor(1)))).await;

    // The same sponsor pledges under another charter, and signs the outpoint over to it.
    let here = world.elsewhere(|fields| fields.licence = "MIT".into()).await;
    world.sent("pledges", world.pledge_body(1, 150_000)).await;
    let there = world.charter.clone();
    let address =
        world.service.read_task(&world.id, |task, _| task.pledges()[&1].output.address.clone()).unwrap();
    let consent = Move {
        network: NET,
        charter: here.id(),
        outpoint,
        to_charter: there.id(),
        to_index: 1,
        to_address: address.to_string(),
    };
    let consent = Signed::new(&secp, consent, &testing::sponsor(1));
    let output =
        world.service.read_task(&here.id(), |task, _| task.output(Slot::pledge(1)).unwrap()).unwrap();
    let target = RefundTarget::new(output, outpoint, held, &address).unwrap();
    let late = Ladder::sign(&secp, target, &testing::sponsor(1)).unwrap();
    for (_, rung) in late.rungs() {
        let arrives = OutPoint { txid: rung.compute_txid(), vout: 0 };
        world.sent("pledges/1/prepared-refunds", world.prepared(0, arrives, rung.output[0].value)).await;
    }
    world.back_to(here.clone());
    world.sent("moves", json!(consent)).await;
    world.sent("late-moves", json!({ "consent": consent, "ladder": late.signatures() })).await;

    // A vote that opens at the merge.
    world.elsewhere(|fields| fields.vote_opens = VoteOpens::Merged).await;
    let submission = world.submit(0).await;
    let tip = world.tip();
    let confirmation = MergeConfirmation {
        network: NET,
        charter: world.id,
        submission,
        confirmed: Confirmed::Merged,
        block_height: tip.height,
        block_hash: tip.hash,
    };
    world.sent("confirmations", json!(Signed::new(&secp, confirmation, &testing::leader_keypair()))).await;
    world.back_to(here);
}

/// What a desk tells of one kind: whether it is due, and its words.
async fn waits(world: &World, role: &str, what: &str) -> Option<(bool, String)> {
    let desk = world.page(&format!("/desk/{role}")).await.1;
    let all = ["due", "others"].map(|list| desk[list].as_array().unwrap().clone()).concat();
    let found =
        all.into_iter().find(|wait| wait["what"] == what && wait["charter"] == world.id.to_string())?;
    Some((found["due"] == true, found["words"].as_str().unwrap().to_owned()))
}

#[tokio::test]
async fn desks_tell_of_a_milestone_once_its_refunds_are_signed_and_count_what_it_pays() {
    let mut world = World::new(None, |fields| {
        let due = fields.work_deadline;
        let share = |share_bps| crate::escrow::charter::Milestone { share_bps, due };
        fields.milestones = vec![share(6_000), share(4_000)];
    })
    .await;
    let outpoint = world.fund(1, 400_000).await;
    let work = Submission { milestone: Some(0), ..world.submission(0) };
    let key = testing::statement_keypair(NET, Role::Developer);
    let shown = world.sent("submissions", json!(Signed::new(&Secp256k1::new(), work.clone(), &key))).await;
    assert_eq!(shown["id"], work.id().to_string());
    world.sent("votes", world.vote_body(work.id(), 1, Choice::Yes, 0)).await;
    assert_eq!(waits(&world, "developer", "propose").await, None, "its rest could not come back so far");
    let made = OutPoint { vout: 900, ..outpoint };
    world.sent("pledges/1/prepared-refunds", world.prepared(1, made, Amount::from_sat(150_000))).await;
    let (due, words) = waits(&world, "developer", "propose").await.unwrap();
    assert!(due && words.contains("240,000 sat"), "sixty percent of it: {words}");
    assert_eq!(waits(&world, "arbiter", "propose").await, None);
}

#[tokio::test]
async fn desks_tell_of_money_that_sponsors_signed_over() {
    let mut world = World::new(None, |_| {}).await;
    let outpoint = world.fund(1, 400_000).await;
    assert_eq!(waits(&world, "representative", "move").await, None);
    let here = world.elsewhere(|fields| fields.licence = "MIT".into()).await;
    world.sent("pledges", world.pledge_body(1, 400_000)).await;
    let there = world.id;
    let address =
        world.service.read_task(&there, |task, _| task.pledges()[&1].output.address.to_string()).unwrap();
    let statement = Move {
        network: NET,
        charter: here.id(),
        outpoint,
        to_charter: there,
        to_index: 1,
        to_address: address,
    };
    world.back_to(here);
    world.sent("moves", json!(Signed::new(&Secp256k1::new(), statement, &testing::sponsor(1)))).await;
    let (due, words) = waits(&world, "representative", "move").await.unwrap();
    assert!(!due && words.contains("400,000 sat"), "{words}");
    assert_eq!(waits(&world, "arbiter", "move").await, None);
    world.advance_to(world.charter.cutoff_secs() + 1).await;
    assert_eq!(waits(&world, "representative", "move").await, None, "nothing new is started");
}

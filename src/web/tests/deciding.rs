//! What is decided beside votes, over HTTP and on pages: the confirmation that opens a vote, the return of a missed
//! target, disputes and evidence.

use super::*;
use crate::escrow::charter::{FundingRule, SubmissionsOpen, VoteOpens};
use crate::escrow::statement::{Confirmed, Evidence, EvidenceKind, MergeConfirmation, Party};
use axum::http::StatusCode;

impl World {
    /// The leader's word on a submission, naming the tip.
    fn confirmation_body(&self, submission: SubmissionId, confirmed: Confirmed) -> Value {
        let tip = self.tip();
        let (block_height, block_hash) = (tip.height, tip.hash);
        let (network, charter) = (NET, self.id);
        let words = MergeConfirmation { network, charter, submission, confirmed, block_height, block_hash };
        json!(Signed::new(&Secp256k1::new(), words, &testing::leader_keypair()))
    }
}

#[tokio::test]
async fn a_vote_waits_for_the_release() {
    let mut world = World::new(None, |fields| fields.vote_opens = VoteOpens::Released).await;
    world.fund(1, 400_000).await;
    let submission = world.submit(0).await;
    let shown = world.get(&world.path(&format!("submissions/{submission}"))).await.1;
    assert_eq!((&shown["window"], &shown["awaits"]), (&Value::Null, &json!("released")));
    assert_eq!((&shown["closed"], &shown["confirmation"]), (&json!(false), &Value::Null));
    assert_eq!(world.task().await["stage"], "open");
    let vote = world.vote_body(submission, 1, Choice::Yes, 0);
    world.refused("votes", vote.clone(), 409, "voting_not_open").await;
    world.refused("rulings", world.ruling_body(submission, 0), 409, "voting_not_open").await;
    let merged = world.confirmation_body(submission, Confirmed::Merged);
    world.refused("confirmations", merged, 409, "other_confirmation").await;

    // The pages say what is waited for, and offer no vote.
    let at = |page: &str| format!("/tasks/{}/{page}", world.id);
    let (vote_page, submission_page) = (at("vote"), at(&format!("submissions/{submission}")));
    let (html, json) = world.page(&vote_page).await;
    assert!(html.contains("Voting is not open yet") && !html.contains("data-submission"), "{html}");
    assert_eq!((&json["work"]["awaits"], &json["work"]["closes_secs"]), (&json!("released"), &Value::Null));
    let (html, _) = world.page(&submission_page).await;
    assert!(html.contains("Waits until it is released") && !html.contains("Vote with your pledge"), "{html}");
    let (html, _) = world.page(&format!("/tasks/{}", world.id)).await;
    assert!(html.contains("confirms that it is released"), "{html}");
    let (html, _) = world.page(&format!("/desk/developer/{}", world.id)).await;
    assert!(html.contains("waits until it is released"), "{html}");
    let (html, _) = world.page(&format!("/desk/arbiter/{}/{submission}", world.id)).await;
    assert!(html.contains("Voting opens when") && !html.contains("Voting began"), "{html}");
    let say = at(&format!("submissions/{submission}/say"));
    let (html, json) = world.page(&say).await;
    assert!(html.contains(" data-open>") && html.contains("data-handin=\"confirmation\""), "{html}");
    assert_eq!(json["confirm_until_secs"], world.charter.confirmation_deadline_secs());
    let leader = testing::leader_keypair().x_only_public_key().0;
    let npub = crate::nip98::npub(&leader);
    for key in [String::new(), format!("?key={npub}"), format!("?key={leader}")] {
        let (html, json) = world.page(&format!("/desk/leader{key}")).await;
        assert_eq!(
            (&json["due"][0]["what"], &json["due"][0]["link"]),
            (&json!("confirm"), &json!(format!("{say}#leader")))
        );
        assert!(html.contains("once you confirm that it is released"), "{html}");
        assert_eq!(json["tasks"].as_array().unwrap().len(), 1);
    }
    let other = testing::sponsor(7).x_only_public_key().0;
    let json = world.page(&format!("/desk/leader?key={other}")).await.1;
    assert_eq!((&json["due"], &json["tasks"]), (&json!([]), &json!([])));
    assert_eq!(world.page("/desk").await.1["leader"], json!({ "tasks": 1, "due": 1 }));
    let (status, problem) =
        world.get("/desk/leader?key=nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5").await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("bad_request")));
    assert!(!problem.to_string().contains("nsec1"), "what was given is not repeated: {problem}");

    // The developer may hand it in again; then the first is out.
    let second = world.submit(1).await;
    let stale = world.confirmation_body(submission, Confirmed::Released);
    world.refused("confirmations", stale, 409, "submission_replaced").await;
    let right = world.confirmation_body(second, Confirmed::Released);
    let confirmed = world.sent("confirmations", right.clone()).await;
    assert_eq!((&confirmed["awaits"], &confirmed["confirmation"]), (&Value::Null, &right));
    assert_eq!(confirmed["window"]["opens_secs"], world.tip().mtp_secs);
    assert_eq!(world.sent("confirmations", right).await, confirmed, "twice changes nothing");
    world
        .refused(
            "confirmations",
            world.confirmation_body(second, Confirmed::Merged),
            409,
            "other_confirmation",
        )
        .await;
    assert_eq!(world.task().await["stage"], "voting");
    let (html, json) = world.page(&at(&format!("submissions/{second}/say"))).await;
    assert!(
        !html.contains(" data-open>") && html.contains("It is confirmed that the work is released."),
        "{html}"
    );
    assert_eq!(json["awaits"], Value::Null);
    assert_eq!(world.page("/desk/leader").await.1["due"], json!([]));
    world.refused("votes", vote, 409, "voting_not_open").await;
    world.sent("votes", world.vote_body(second, 1, Choice::Yes, 0)).await;
    let (html, _) = world.page(&vote_page).await;
    assert!(html.contains("The project's leader says that it is released"), "{html}");
    let (html, json) = world.page(&format!("/tasks/{}/submissions/{second}", world.id)).await;
    assert!(html.contains("confirmed that it is released") && html.contains("naming block"), "{html}");
    assert_eq!(json["confirmed"], "released");

    // And it is told.
    let told = world.get(&world.path("events?limit=200")).await.1;
    let types: Vec<&str> =
        told["items"].as_array().unwrap().iter().filter_map(|e| e["type"].as_str()).collect();
    let at = |kind: &str| types.iter().position(|known| *known == kind);
    assert!(at("merge_confirmed").is_some() && at("merge_confirmed") < at("review_opened"), "{types:?}");
    assert_eq!(types.iter().filter(|known| **known == "review_opened").count(), 1);
}

/// A task that must reach its target, or everything goes back.
async fn all_or_nothing() -> World {
    World::new(None, |fields| {
        fields.funding_rule = FundingRule::AllOrNothing;
        fields.submissions_open = SubmissionsOpen::WhenTargetCredited;
        fields.feerate_cap_sat_per_vb = 30;
    })
    .await
}

#[tokio::test]
async fn a_missed_target_is_proposed_to_be_returned_and_two_signers_sign() {
    let mut world = all_or_nothing().await;
    let outpoint = world.fund(1, 400_000).await;
    let close = world.charter.fields().funding_close;
    // Within the cap, at a step: the next one above 22 is 25.
    *world.source.feerate.lock().unwrap() = bitcoin::FeeRate::from_sat_per_vb(22);
    world.advance_to(close).await;
    assert_eq!(world.task().await["settlements"], json!([]));
    world.advance_to(close + 1).await;
    let task = world.task().await;
    assert_eq!(task["settlements"].as_array().unwrap().len(), 1, "{}", task["settlements"]);
    let settlement = task["settlements"][0].clone();
    assert_eq!(
        (&settlement["kind"], &settlement["feerate_sat_per_vb"]),
        (&json!("early_return"), &json!(25))
    );
    assert_eq!(settlement["signed_by"], json!([]));
    for _ in 0..3 {
        world.mine(1).await;
    }
    world.restart().await;
    world.look().await;
    assert_eq!(world.task().await["settlements"].as_array().unwrap().len(), 1, "twice does no harm");

    let (html, json) = world.page(&format!("/tasks/{}", world.id)).await;
    assert!(html.contains("The target was missed.") && html.contains("The return is proposed"), "{html}");
    assert!(json["missed"].as_str().unwrap().contains("two of the three"));
    for role in ["developer", "representative"] {
        let (html, _) = world.page(&format!("/desk/{role}")).await;
        assert!(html.contains("Return to all sponsors, because the target was missed"), "{role}: {html}");
    }
    world.sign(&settlement, Role::Representative).await;
    world.sign(&settlement, Role::Developer).await;
    world.look().await;
    world.mine(1).await;
    let task = world.task().await;
    assert_eq!((&task["stage"], task["settlements"].as_array().unwrap().len()), (&json!("returned"), 1));
    let shown = world.get(&world.path("pledges/1")).await.1;
    assert_eq!(shown["outpoints"][0]["outpoint"], json!(outpoint.to_string()));
    assert_eq!(shown["outpoints"][0]["ended"]["how"], "settled");
    let (_, json) = world.page(&format!("/tasks/{}", world.id)).await;
    assert_eq!(json["missed"], Value::Null);
}

#[tokio::test]
async fn a_return_stays_within_the_cap_and_within_what_small_pledges_bear() {
    // Far above the cap of 30.
    for (amount, feerate) in [(400_000, 30), (10_000, 25)] {
        let mut world = all_or_nothing().await;
        world.fund(1, amount).await;
        *world.source.feerate.lock().unwrap() = bitcoin::FeeRate::from_sat_per_vb(500);
        world.advance_to(world.charter.fields().funding_close + 1).await;
        let task = world.task().await;
        assert_eq!(
            task["settlements"][0]["feerate_sat_per_vb"],
            json!(feerate),
            "{amount}: {}",
            task["settlements"]
        );
    }
}

impl World {
    fn evidence_body(&self, submission: SubmissionId, kind: EvidenceKind, by: Party, text: &str) -> Value {
        let key = match by {
            Party::Signer(role) => testing::statement_keypair(NET, role),
            Party::Leader => testing::leader_keypair(),
            Party::Pledge(index) => testing::sponsor(u8::try_from(index).unwrap()),
        };
        let counter = self
            .service
            .read_task(&self.id, |task, _| {
                task.submission(&submission).map_or(0, |state| state.said_by(by).1)
            })
            .unwrap();
        let (network, charter, attachments) = (NET, self.id, vec![Digest::of(b"log")]);
        let text = text.into();
        let words = Evidence { network, charter, submission, kind, by, text, attachments, counter };
        json!(Signed::new(&Secp256k1::new(), words, &key))
    }
}

#[tokio::test]
async fn a_dispute_marks_the_submission_wherever_it_is_shown() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 400_000).await;
    let submission = world.submit(0).await;
    let developer = Party::Signer(Role::Developer);
    let own = "Works on <my> machine";
    let shown =
        world.sent("evidence", world.evidence_body(submission, EvidenceKind::Evidence, developer, own)).await;
    assert_eq!((&shown["disputed"], shown["evidence"].as_array().unwrap().len()), (&json!(false), 1));
    let desk = "/desk/arbiter";
    assert!(!world.page(desk).await.0.contains("is disputed"));
    let body =
        world.evidence_body(submission, EvidenceKind::Dispute, Party::Leader, "The third part is missing");
    let shown = world.sent("evidence", body.clone()).await;
    assert_eq!((&shown["disputed"], &shown["evidence"][1]), (&json!(true), &body));
    assert_eq!(world.sent("evidence", body).await, shown, "twice is once");
    let refused = |kind, by, text| world.evidence_body(submission, kind, by, text);
    let arbiters = refused(EvidenceKind::Dispute, Party::Signer(Role::Arbiter), "I too");
    world.refused("evidence", arbiters, 422, "no_dispute").await;
    world.refused("evidence", refused(EvidenceKind::Evidence, developer, " "), 422, "evidence_text").await;
    world
        .refused("evidence", refused(EvidenceKind::Evidence, Party::Pledge(9), "x"), 404, "unknown_pledge")
        .await;

    let (html, json) = world.page(&format!("/tasks/{}/submissions/{submission}", world.id)).await;
    assert!(html.contains("opened a dispute") && html.contains("The third part is missing"), "{html}");
    assert!(html.contains("Works on &#60;my&#62; machine") && !html.contains("<my>"), "{html}");
    assert!(html.contains(&Digest::of(b"log").to_string()));
    assert_eq!((&json["disputed"], json["evidence"].as_array().unwrap().len()), (&json!(true), 2));
    let (html, json) = world.page(&format!("/tasks/{}/submissions/{submission}/say", world.id)).await;
    assert!(
        html.contains("data-handin=\"evidence\"") && html.contains("Works on &#60;my&#62; machine"),
        "{html}"
    );
    assert!(!html.contains("data-handin=\"confirmation\""), "nothing is to be confirmed");
    assert_eq!((&json["disputed"], json["evidence_count"].as_u64()), (&json!(true), Some(2)));
    let json = world.page("/desk/leader").await.1;
    assert_eq!((&json["due"], &json["others"][0]["what"]), (&json!([]), &json!("watch")));
    let (html, _) = world.page(&format!("/tasks/{}", world.id)).await;
    assert!(html.contains("disputed"), "{html}");
    let (html, _) = world.page(desk).await;
    assert!(html.contains("Submission 1 is disputed; nobody voted no so far."), "{html}");
    let (html, json) = world.page(&format!("/desk/arbiter/{}/{submission}", world.id)).await;
    assert!(html.contains("disputes it") && html.contains("by: leader"), "{html}");
    assert_eq!(json["evidence"][1]["dispute"], true);
    world.sent("votes", world.vote_body(submission, 1, Choice::No, 0)).await;
    assert!(world.page(desk).await.0.contains("It is disputed."));
}

#[tokio::test]
async fn whoever_names_payees_has_a_page_for_it() {
    let world = World::new(None, |_| {}).await;
    let payees: u16 = world.charter.fields().payees.iter().map(|payee| payee.share_bps).sum();
    let share = crate::web::pages::words::share(payees);
    for by in ["representative", "leader"] {
        let (html, json) = world.page(&format!("/desk/{by}/{}", world.id)).await;
        assert_eq!((&json["by"], &json["payees_share"]), (&json!(by), &json!(share)));
        assert!(html.contains(&format!("--as {by} --payee ADDRESS:{}", share.replace(' ', ""))), "{html}");
        assert!(
            html.contains("Only sponsors who vote yes pay them")
                && html.contains("data-handin=\"submission\"")
        );
        assert_eq!(html.contains("id=\"name-leader\""), by == "leader");
    }
    assert!(!world.page(&format!("/desk/developer/{}", world.id)).await.0.contains("--payee"));
    let (status, _) = world.get(&format!("/desk/arbiter/{}", world.id)).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "the arbiter hands nothing in");

    let nobody = World::new(None, |fields| {
        let leader = fields.leader.take().unwrap();
        fields.payees[0].share_bps += leader.share_bps;
    })
    .await;
    let (html, json) = nobody.page(&format!("/desk/leader/{}", nobody.id)).await;
    assert_eq!(json["leader"], Value::Null);
    assert!(html.contains("names no project leader") && !html.contains("data-handin"), "{html}");
    assert_eq!(nobody.page("/desk/leader").await.1["tasks"], json!([]));
}

//! Settlements, desks and the service's own page: a settlement in each progress, what waits for whom and when, and
//! rulings that are shown beforehand as they are proposed later.

use crate::escrow::charter::{Milestone, SubmissionsOpen};
use crate::escrow::network::Network;
use crate::escrow::statement::{Choice, Role, SubmissionId};
use crate::escrow::testing;
use crate::web::tests::fakes::{World, parse};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use bitcoin::base64::Engine;
use bitcoin::base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

const NET: Network = Network::Regtest;

impl World {
    fn at(&self, rest: &str) -> String {
        format!("/tasks/{}/{rest}", self.id)
    }

    /// Two pledges, work, a yes and a no; voting is over and the work accepted.
    pub(super) async fn voted() -> (World, SubmissionId) {
        let mut world = World::new(None, |fields| fields.minimum_pledge_sat = 50_000).await;
        for index in 1..=2 {
            world.fund(index, 100_000 * u64::from(index)).await;
        }
        let submission = world.submit(0).await;
        world.sent("votes", world.vote_body(submission, 1, Choice::No, 1)).await;
        world.sent("votes", world.vote_body(submission, 2, Choice::Yes, 1)).await;
        (world, submission)
    }

    pub(super) async fn close_vote(&mut self) {
        self.advance_to(self.tip().mtp_secs + self.charter.fields().review_secs + 1).await;
    }

    async fn bytes(&self, path: &str) -> (StatusCode, String, Vec<u8>) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.respond_to(request, "192.0.2.7:50000").await;
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, kind.unwrap_or_default(), body.to_vec())
    }
}

/// What waits on a desk: kind and whether it is due.
fn waits(desk: &Value) -> Vec<(String, bool)> {
    let of = |list: &str| desk[list].as_array().unwrap().clone();
    let all = of("due").into_iter().chain(of("others"));
    all.map(|wait| (wait["what"].as_str().unwrap().to_owned(), wait["due"].as_bool().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_is_told_in_each_progress() {
    let (mut world, submission) = World::voted().await;
    let payout = json!({ "kind": "payout", "submission": submission, "feerate_sat_per_vb": 2 });
    let settlement = world.sent("settlements", payout).await;
    let page = world.at(&format!("settlements/{}", settlement["id"].as_str().unwrap()));

    let (html, json) = world.page(&page).await;
    assert_eq!(json["settlement"], settlement, "the page has what the API tells");
    assert_eq!((json["signing"]["count"].as_u64(), json["signing"]["open"].as_bool()), (Some(0), Some(true)));
    assert!(html.contains("Nobody has signed yet"), "{html}");
    let moves = &json["moves"];
    let paid: u64 =
        moves["paid"].as_array().unwrap().iter().map(|paid| paid["amount_sat"].as_u64().unwrap()).sum();
    let sum = paid + moves["returned_sat"].as_u64().unwrap() + moves["fee_sat"].as_u64().unwrap();
    assert_eq!((sum, moves["spent_sat"].as_u64()), (200_000, Some(200_000)), "to the satoshi");
    assert_eq!(json["lines"][0]["inputs"][0]["reason"], "yes");
    for address in [testing::address(NET, 1), testing::address(NET, 2)] {
        let groups: String = crate::web::pages::words::groups(&address.to_string())
            .iter()
            .map(|g| format!("<span>{g}</span>"))
            .collect();
        assert!(html.contains(&groups), "{address} is on the page");
    }

    world.sign(&settlement, Role::Developer).await;
    let (html, json) = world.page(&page).await;
    assert_eq!(json["signing"]["count"], 1);
    assert!(html.contains("1 of 2 signed, by the developer."), "{html}");

    world.sign(&settlement, Role::Representative).await;
    let (html, json) = world.page(&page).await;
    assert_eq!((json["signing"]["count"].as_u64(), json["signing"]["open"].as_bool()), (Some(2), Some(true)));
    assert!(html.contains("2 of 2 signed, by the developer and the representative."), "{html}");
    world.look().await;
    assert!(world.page(&page).await.0.contains("handed to the network"));

    world.mine(1).await;
    let (html, json) = world.page(&page).await;
    assert_eq!(
        (json["settlement"]["progress"].as_str(), json["signing"]["open"].as_bool()),
        (Some("confirmed"), Some(false))
    );
    assert!(html.contains("Nothing more is needed") && !html.contains("id=\"signatures\""), "{html}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_votes_forbid_or_something_else_overtook_takes_no_signature() {
    let (mut world, submission) = World::voted().await;
    let payout =
        |feerate| json!({ "kind": "payout", "submission": submission, "feerate_sat_per_vb": feerate });
    // At 1, 2, 4 and 3, 6, 12 sat/vB: no form of one is a form of the other.
    let first = world.sent("settlements", payout(1)).await;
    let second = world.sent("settlements", payout(3)).await;
    // The yes becomes a no: neither is allowed any more.
    world.sent("votes", world.vote_body(submission, 2, Choice::No, 2)).await;
    let task = world.id;
    let page =
        |settlement: &Value| format!("/tasks/{task}/settlements/{}", settlement["id"].as_str().unwrap());
    let (html, json) = world.page(&page(&first)).await;
    assert_eq!(json["signing"]["refused"]["code"], "no_longer_allowed");
    assert!(html.contains("No signature is taken any more") && !html.contains("id=\"signatures\""), "{html}");
    assert_eq!(json["lines"][0]["inputs"][0]["reason"], Value::Null);

    // And a yes again: one of them is mined, and the other can never be.
    world.sent("votes", world.vote_body(submission, 2, Choice::Yes, 3)).await;
    for role in [Role::Developer, Role::Arbiter] {
        world.sign(&second, role).await;
    }
    world.look().await;
    world.mine(1).await;
    let (html, json) = world.page(&page(&first)).await;
    assert_eq!(json["settlement"]["progress"], "conflicted");
    assert!(html.contains("It will not happen"), "{html}");
    let (html, json) = world.page(&world.at("settlements")).await;
    let listed: Vec<&str> = json["settlements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["progress"].as_str().unwrap())
        .collect();
    assert_eq!(listed, ["confirmed", "conflicted"], "the newest first: {html}");
    assert!(html.contains("overtaken") && html.contains("mined"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psbts_leave_as_files_base64_and_codes_that_are_the_same_bytes() {
    let (world, submission) = World::voted().await;
    let payout = json!({ "kind": "payout", "submission": submission, "feerate_sat_per_vb": 1 });
    let settlement = world.sent("settlements", payout).await;
    let id = settlement["id"].as_str().unwrap();
    let base = world.at(&format!("settlements/{id}"));
    let (html, json) = world.page(&base).await;
    let given = world.get(&world.path(&format!("settlements/{id}/psbts"))).await.1;
    let psbts = json["psbts"].as_array().unwrap();
    assert_eq!(psbts.len(), 3, "three feerates");
    for (file, api) in psbts.iter().zip(given["psbts"].as_array().unwrap()) {
        let path = file["path"].as_str().unwrap();
        let base64 = api["psbt"].as_str().unwrap();
        let (status, kind, binary) = world.bytes(&format!("{path}.psbt")).await;
        assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/octet-stream"));
        assert_eq!(BASE64_STANDARD.encode(&binary), base64);
        assert_eq!(file["bytes"].as_u64(), Some(binary.len() as u64));
        let (_, _, text) = world.bytes(&format!("{path}.txt")).await;
        assert_eq!(String::from_utf8(text).unwrap().trim(), base64);
        assert_eq!(file["base64"].as_str(), Some(base64));
        let frames = file["frames"].as_array().unwrap();
        assert!(!frames.is_empty() && html.contains(frames[0].as_str().unwrap()));
        for frame in frames {
            let (status, kind, picture) = world.bytes(frame.as_str().unwrap()).await;
            assert_eq!((status, kind.as_str()), (StatusCode::OK, "image/svg+xml"));
            assert!(picture.starts_with(b"<?xml") || picture.starts_with(b"<svg"));
        }
    }
    let (_, _, all) = world.bytes(&format!("{base}/psbts/all.txt")).await;
    assert_eq!(String::from_utf8(all).unwrap().lines().count(), 3);
    for missing in [
        "psbts/0-3.psbt",
        "psbts/1-0.psbt",
        "psbts/00-0.psbt",
        "psbts/0-0",
        "frames/0-0-99.svg",
        "frames/0-0.svg",
    ] {
        assert_eq!(world.bytes(&format!("{base}/{missing}")).await.0, StatusCode::NOT_FOUND, "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ruling_shown_beforehand_is_the_one_proposed_later() {
    let (mut world, submission) = World::voted().await;
    world.close_vote().await;
    let case = format!("/desk/arbiter/{}/{submission}?feerate_sat_per_vb=3", world.id);
    let (html, json) = world.page(&case).await;
    assert_eq!((json["contested_sat"].as_u64(), json["open"].as_bool()), (Some(100_000), Some(true)));
    let previews = json["rulings"].as_array().unwrap().clone();
    let shares: Vec<u64> = previews.iter().map(|each| each["pay_bps"].as_u64().unwrap()).collect();
    assert_eq!(shares, [0, 5_000, 10_000]);
    for preview in &previews {
        let moves = &preview["moves"];
        assert_eq!(moves["spent_sat"], 100_000);
        let nothing = |list: &Value| list.as_array().unwrap().is_empty();
        assert_eq!(nothing(&moves["paid"]), preview["pay_bps"] == 0);
        assert_eq!(nothing(&moves["returned"]), preview["pay_bps"] == 10_000);
    }
    assert!(html.contains("data-handin=\"ruling\"") && html.contains("Split it in halves"), "{html}");
    let votes = json["votes"].as_array().unwrap();
    assert_eq!(votes.len(), 2);
    assert!(votes[0]["lines"].as_str().unwrap().ends_with("choice: no\ncounter: 1\n"));
    let words: Vec<&str> =
        json["timeline"].as_array().unwrap().iter().map(|moment| moment["words"].as_str().unwrap()).collect();
    assert!(words.len() >= 3, "submitted, two votes: {words:?}");

    world.sent("rulings", world.ruling_body(submission, 5_000)).await;
    let ruling = json!({ "kind": "ruling", "submission": submission, "feerate_sat_per_vb": 3 });
    let settlement = world.sent("settlements", ruling).await;
    assert_eq!(settlement["id"], previews[1]["settlement"], "the very transactions that were shown");
    assert_ne!(settlement["id"], previews[2]["settlement"]);
    let (html, json) = world.page(&case).await;
    assert_eq!(json["rulings"].as_array().unwrap().len(), 1, "only the one that was given");
    assert_eq!(json["rulings"][0]["settlement"], settlement["id"]);
    assert!(!html.contains("data-handin"), "it is said once");

    // Any two sign: for a ruling the arbiter must be one of them.
    world.sign(&settlement, Role::Developer).await;
    let page = world.at(&format!("settlements/{}", settlement["id"].as_str().unwrap()));
    let (html, json) = world.page(&page).await;
    assert_eq!(json["signing"]["count"], 1);
    assert!(html.contains("The arbiter must be one of the two."), "{html}");
    world.sign(&settlement, Role::Representative).await;
    assert_eq!(
        world.page(&page).await.1["signing"]["count"],
        1,
        "two, and still one of the two that are needed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_be_proposed_is_tried_before_anybody_proposes_it() {
    let (mut world, submission) = World::voted().await;
    let page = world.at("settlements?feerate_sat_per_vb=2");
    let (html, json) = world.page(&page).await;
    let offers = json["offers"].as_array().unwrap();
    let kinds: Vec<&str> = offers.iter().map(|offer| offer["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["payout", "early_return"], "no ruling was given");
    let would = &offers[0]["would"];
    assert_eq!(
        (would["moves"]["spent_sat"].as_u64(), would["proposed"].as_bool()),
        (Some(200_000), Some(false))
    );
    assert!(html.contains("data-body"), "{html}");
    assert_eq!(world.page(&page).await.1["settlements"], json!([]), "looking proposes nothing");
    let payout = json!({ "kind": "payout", "submission": submission, "feerate_sat_per_vb": 2 });
    let settlement = world.sent("settlements", payout).await;
    assert_eq!(settlement["id"], would["settlement"]);
    assert_eq!(world.page(&page).await.1["offers"][0]["would"]["proposed"], true);
    for (bad, code) in [("11", "feerate"), ("0", "feerate"), ("x", "bad_request")] {
        let (status, problem) = world.get(&world.at(&format!("settlements?feerate_sat_per_vb={bad}"))).await;
        assert!(status.is_client_error() && problem["code"] == code, "{bad}: {problem}");
    }
    // Too late for anything new: the page says why.
    world.advance_to(world.charter.cutoff_secs() + 1).await;
    let json = world.page(&world.at("settlements?feerate_sat_per_vb=4")).await.1;
    assert_eq!(json["offers"][1]["refused"]["code"], "past_cutoff");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hands_in_a_part_is_told_to_name_it() {
    let world = World::new(None, |fields| {
        let due = fields.work_deadline;
        fields.milestones = [6_000, 4_000].map(|share_bps| Milestone { share_bps, due }).into();
    })
    .await;
    let (html, json) = world.page(&format!("/desk/developer/{}", world.id)).await;
    assert_eq!(json["milestones"].as_u64(), Some(2));
    assert!(html.contains("--milestone N") && html.contains("in 2 milestones"), "{html}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn desks_say_what_waits_for_whom() {
    let mut world = World::new(None, |fields| fields.minimum_pledge_sat = 50_000).await;
    for role in Role::ALL {
        let may: &[(String, bool)] = if role == Role::Developer { &[("submit".into(), false)] } else { &[] };
        assert_eq!(
            waits(&world.page(&format!("/desk/{role}")).await.1),
            may,
            "nobody is waited for before money comes"
        );
    }
    for index in 1..=2 {
        world.fund(index, 100_000 * u64::from(index)).await;
    }
    let desk = |role: &str| format!("/desk/{role}");
    assert_eq!(waits(&world.page(&desk("developer")).await.1), [("submit".into(), true)]);
    let (html, json) = world.page(&format!("/desk/developer/{}", world.id)).await;
    assert_eq!((json["not_now"].as_str(), json["next_number"].as_u64()), (None, Some(0)));
    assert!(html.contains("data-handin=\"submission\"") && html.contains("submission create"), "{html}");
    assert!(!html.contains("--milestone"), "all of the work is one");

    let submission = world.submit(0).await;
    world.sent("votes", world.vote_body(submission, 1, Choice::No, 1)).await;
    assert_eq!(waits(&world.page(&desk("developer")).await.1), [("watch".into(), false)]);
    assert!(world.page(&format!("/desk/developer/{}", world.id)).await.1["not_now"].is_string());
    let representative = world.page(&desk("representative")).await.1;
    assert_eq!(waits(&representative), [("judge".into(), true), ("watch".into(), false)]);
    assert_eq!(
        waits(&world.page(&desk("arbiter")).await.1),
        [("rule".into(), false)],
        "not before voting is over"
    );
    let (html, _) = world.page(representative["due"][0]["link"].as_str().unwrap()).await;
    assert!(html.contains("data-handin=\"acceptance\""), "{html}");

    world.sent("votes", world.vote_body(submission, 2, Choice::Yes, 1)).await;
    assert_eq!(
        waits(&world.page(&desk("developer")).await.1),
        [("propose".into(), true), ("watch".into(), false)],
        "a yes pays at once"
    );
    world.close_vote().await;
    world.accept(submission).await;
    assert_eq!(waits(&world.page(&desk("arbiter")).await.1), [("rule".into(), true)]);
    let payout = json!({ "kind": "payout", "submission": submission, "feerate_sat_per_vb": 1 });
    let settlement = world.sent("settlements", payout).await;
    assert!(waits(&world.page(&desk("developer")).await.1).contains(&("sign".into(), true)));
    assert!(
        !waits(&world.page(&desk("developer")).await.1).contains(&("propose".into(), true)),
        "it is proposed"
    );
    assert!(waits(&world.page(&desk("arbiter")).await.1).contains(&("sign".into(), false)), "another can");
    world.sign(&settlement, Role::Developer).await;
    assert!(!waits(&world.page(&desk("developer")).await.1).iter().any(|(what, _)| what == "sign"), "it has");
    let representative = world.page(&desk("representative")).await.1;
    assert!(representative["due"][0]["words"].as_str().unwrap().contains("1 of 2 signed, by the developer"));
    world.sign(&settlement, Role::Representative).await;
    assert_eq!(waits(&world.page(&desk("representative")).await.1), []);
    assert_eq!(world.browse("/desk/treasurer").await.0, StatusCode::NOT_FOUND);
    let developers = format!("/desk/developer/{}/{submission}", world.id);
    assert_eq!(world.browse(&developers).await.0, StatusCode::NOT_FOUND, "developers judge nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_asked_for_when_the_service_takes_it() {
    let mut world =
        World::new(None, |fields| fields.submissions_open = SubmissionsOpen::WhenTargetCredited).await;
    let target = world.charter.fields().target_sat;
    let page = format!("/desk/developer/{}", world.id);
    world.fund(1, target - 300_000).await;
    assert_eq!(waits(&world.page("/desk/developer").await.1), []);
    let (html, json) = world.page(&page).await;
    assert_eq!(
        json["not_now"].as_str(),
        Some("Work is taken once the target is reached: 300,000 sat are missing."),
        "{html}"
    );
    world.refused("submissions", world.submission_body(0), 409, "target_missing").await;
    world.fund(2, 300_000).await;
    assert_eq!(waits(&world.page("/desk/developer").await.1), [("submit".into(), true)]);
    assert_eq!(world.page(&page).await.1["not_now"], Value::Null);
    world.submit(0).await;
    world.advance_to(world.charter.fields().work_deadline + 1).await;
    assert!(!waits(&world.page("/desk/developer").await.1).iter().any(|(what, _)| what == "submit"));
    assert!(world.page(&page).await.1["not_now"].as_str().unwrap().contains("deadline has passed"));
    world.refused("submissions", world.submission_body(1), 409, "work_deadline").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_ruling_the_representative_may_accept_and_not_refuse() {
    let (mut world, submission) = World::voted().await;
    let case = format!("/desk/representative/{}/{submission}", world.id);
    let may = |json: &Value| (json["open"].as_bool().unwrap(), json["may_refuse"].as_bool().unwrap());
    let (html, json) = world.page(&case).await;
    assert_eq!(may(&json), (true, true));
    assert!(html.contains(" --refuse "), "{html}");
    world.close_vote().await;
    world.sent("rulings", world.ruling_body(submission, 5_000)).await;
    let (html, json) = world.page(&case).await;
    assert_eq!(may(&json), (true, false));
    assert!(html.contains("too late to refuse it") && !html.contains(" --refuse "), "{html}");
    assert!(html.contains("data-handin=\"acceptance\""), "{html}");
    let judge = |json: &Value| waits(json).into_iter().find(|(what, _)| what == "judge");
    assert_eq!(judge(&world.page("/desk/representative").await.1), Some(("judge".into(), false)));
    world.refused("acceptances", world.acceptance_body(submission, false), 409, "already_ruled").await;
    world.accept(submission).await;
    assert_eq!(may(&world.page(&case).await.1), (false, false));
    assert_eq!(judge(&world.page("/desk/representative").await.1), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_representative_may_speak_when_the_time_for_a_ruling_is_over() {
    let (mut world, submission) = World::voted().await;
    let fields = world.charter.fields();
    world.advance_to(world.tip().mtp_secs + fields.review_secs + fields.ruling_secs + 1).await;
    let rules = world.page(&format!("/desk/arbiter/{}/{submission}", world.id)).await;
    assert_eq!(rules.1["open"], false, "{}", rules.0);
    assert!(!waits(&world.page("/desk/arbiter").await.1).iter().any(|(what, _)| what == "rule"));
    world.refused("rulings", world.ruling_body(submission, 5_000), 409, "ruling_too_late").await;
    assert!(waits(&world.page("/desk/representative").await.1).contains(&("judge".into(), true)));
    world.accept(submission).await;
    assert!(!waits(&world.page("/desk/representative").await.1).iter().any(|(what, _)| what == "judge"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_that_two_signed_upon_is_not_asked_for_again() {
    let (mut world, submission) = World::voted().await;
    world.fund(3, 60_000).await;
    let voting = |page: &(String, Value)| {
        let (html, json) = page;
        let voting = json["voting"].as_bool().unwrap();
        assert_eq!(html.contains("Look at it, and vote."), voting, "{html}");
        voting
    };
    let pledge = |index: u32| format!("/tasks/{}/pledges/{index}", world.id);
    let (no, yes, silent) = (pledge(1), pledge(2), pledge(3));
    for page in [&no, &yes, &silent] {
        assert!(voting(&world.page(page).await), "{page}");
    }
    let payout = json!({ "kind": "payout", "submission": submission, "feerate_sat_per_vb": 1 });
    let settlement = world.sent("settlements", payout).await;
    for role in [Role::Developer, Role::Representative] {
        world.sign(&settlement, role).await;
    }
    assert!(!voting(&world.page(&yes).await), "two have signed upon it");
    world.refused("votes", world.vote_body(submission, 2, Choice::No, 2), 409, "vote_settled").await;
    assert!(voting(&world.page(&no).await), "nothing rests on a no so far");
    world.close_vote().await;
    assert!(!voting(&world.page(&no).await), "it has voted, and voting is over");
    world.refused("votes", world.vote_body(submission, 1, Choice::Yes, 2), 409, "voting_closed").await;
    assert!(voting(&world.page(&silent).await), "who was silent may still hold the money");
    world.sent("votes", world.vote_body(submission, 3, Choice::No, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_picks_its_tasks_and_a_private_one_is_never_repeated() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 100_000).await;
    let query = |key: &str| format!("?key={}", crate::web::pages::pieces::encoded(key));
    let developer = world.charter.signer(Role::Developer).to_string();
    let (html, json) = world.page(&format!("/desk/developer{}", query(&developer))).await;
    assert_eq!((json["tasks"].as_array().unwrap().len(), &json["key"]["text"]), (1, &json!(developer)));
    assert!(html.contains(json["key"]["fingerprint"].as_str().unwrap()), "the fingerprint is echoed");
    let json = world.page(&format!("/desk/arbiter{}", query(&developer))).await.1;
    assert_eq!((json["tasks"].as_array().unwrap().len(), waits(&json)), (0, vec![]));
    let json = world.page(&format!("/desk{}", query(&developer))).await.1;
    let tasks: Vec<u64> =
        json["desks"].as_array().unwrap().iter().map(|desk| desk["tasks"].as_u64().unwrap()).collect();
    assert_eq!((tasks, json["desks"][0]["due"].as_u64()), (vec![1, 0, 0], Some(1)));

    let xprv = testing::account(NET, Role::Developer).to_string();
    let origin = developer.split_once(']').unwrap().0;
    let phrase = "abandon ".repeat(11) + "about";
    for secret in [xprv.clone(), format!("{origin}]{xprv}"), phrase] {
        for desk in ["/desk", "/desk/developer"] {
            let path = format!("{desk}{}", query(&secret));
            let (status, _, html) = world.browse(&path).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(html.contains("key_private") && !html.contains(&secret), "{html}");
            let (status, problem) = world.get(&path).await;
            assert_eq!((status.as_u16(), problem["code"].as_str()), (422, Some("key_private")));
            assert!(!problem.to_string().contains(&secret));
        }
    }
    for (wrong, code) in
        [("tpub", "key_not_an_expression"), ("[00000000/87h/1h/0h]tpubD6Nz", "key_invalid_xpub")]
    {
        assert_eq!(world.get(&format!("/desk{}", query(wrong))).await.1["code"], code);
    }
    assert_eq!(world.page("/desk?key=").await.1["key"], Value::Null, "an empty field is no key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_shows_itself() {
    let mut world = World::new(Some(bitcoin::Amount::from_sat(90_000)), |_| {}).await;
    world.fund(1, 100_000).await;
    let (html, json) = world.page("/operator").await;
    let status = world.get("/api/v1/status").await.1;
    assert_eq!(json["status"], status, "what status tells, nothing else");
    assert_eq!((json["behind"].as_u64(), json["unsecured"]["outpoints"].as_u64()), (Some(0), Some(0)));
    let files: Vec<(String, String)> = json["files"].as_array().unwrap().iter().map(parse_file).collect();
    let given: Vec<(String, String)> = crate::web::files_for_browsers()
        .into_iter()
        .map(|(name, sha256)| (name.to_owned(), sha256))
        .collect();
    assert_eq!(files, given, "all that are counted in the hash in the foot, in its order");
    for (name, sha256) in files {
        assert!(html.contains(&sha256), "{name}");
    }
    assert!(html.contains("tcp://fake:1") && html.contains("all is well"), "{html}");
    world.disk.0.fill(true);
    world.refused("pledges", world.pledge_body(2, 50_000), 503, "disk_full").await;
    let (html, json) = world.page("/operator").await;
    assert!(json["journal_trouble"].is_string() && html.contains("nothing new is taken"), "{html}");
}

fn parse_file(file: &Value) -> (String, String) {
    (parse(&file["name"]), parse(&file["sha256"]))
}

//! Wishes and claims that were taken back.

use super::*;

#[tokio::test]
async fn a_withdrawn_wish_leaves_the_lists_and_takes_nothing_new() {
    let mut world = World::new(None, |_| {}).await;
    let (id, other) = (world.wished(2, TEXT).await, world.wished(2, "Another").await);
    world.said(&like(id, 3, true, 1)).await;
    world.set(project(7, 1), 7).await;
    let charter = world.chartered(id, TEXT, None).await;
    let path = format!("/api/v1/wishes/{id}/withdrawal");
    let refused = |task: TaskId, by: u8, signer: u8, status: u16, code: &'static str| {
        let body = json!(signed(Withdrawal { network: NET, task, by: key(by) }, signer));
        let (world, path) = (&world, &path);
        async move {
            let (given, answer) = world.post_unsigned(path, &body).await;
            assert_eq!((given.as_u16(), answer["code"].as_str()), (status, Some(code)), "{answer}");
        }
    };
    refused(id, 3, 3, 403, "not_author").await;
    refused(id, 2, 3, 422, "bad_signature").await;
    refused(other, 2, 2, 409, "other_task").await;
    let view = world.withdrawn(id, 2).await;
    assert_eq!(view["withdrawn"]["at_secs"], view["summary"]["withdrawn_secs"]);
    assert!(view["withdrawn"]["signature"].is_string(), "{view}");
    assert_eq!(world.withdrawn(id, 2).await, view, "twice is once");
    world.not_said(&like(id, 4, true, 1), 409, "wish_withdrawn").await;
    world.not_said(&promise(id, 4, 5, 1), 409, "wish_withdrawn").await;
    world.not_said(&offer(id, 4, OfferChoice::Accept, None, 1), 409, "wish_withdrawn").await;
    world.said(&like(id, 3, false, 2)).await;
    world.restart().await;

    let project_id = ProjectId::of(REPOSITORY);
    let ids = |page: &Value| -> Vec<Value> {
        page["items"].as_array().unwrap().iter().map(|wish| wish["wish"].clone()).collect()
    };
    for filter in ["".to_owned(), format!("&project={project_id}")] {
        assert_eq!(ids(&world.get(&format!("/api/v1/wishes?limit=9{filter}")).await.1), [json!(other)]);
        let all = world.get(&format!("/api/v1/wishes?withdrawn=true{filter}")).await.1;
        assert_eq!(ids(&all), [json!(other), json!(id)]);
    }
    let (_, view) = world.get(&format!("/api/v1/projects/{project_id}")).await;
    assert_eq!((view["wish_count"].as_u64(), view["wishes"].as_array().unwrap().len()), (Some(1), 1));
    let (html, json) = world.page(&format!("/wishes/{id}")).await;
    for part in ["Withdrawn by its author", "withdraws the wish", "data-withdrawn", "Fund it now"] {
        assert!(html.contains(part), "no {part:?} in {html}");
    }
    assert_eq!(json["fund"], json!(charter), "what was drafted from it stands");
    assert!(!html.contains("/new?wish=") && !html.contains("developer accept\""), "{html}");
    let (_, json) = world.page("/wishes").await;
    assert_eq!(json["wishes"].as_array().unwrap().len(), 1);
    let (html, json) = world.page("/wishes?withdrawn=true").await;
    assert_eq!(json["wishes"].as_array().unwrap().len(), 2);
    assert!(html.contains("Withdrawn by its author"), "{html}");
}

#[tokio::test]
async fn a_claim_is_withdrawn_and_the_next_one_leads() {
    let world = World::new(None, |_| {}).await;
    world.set(project(7, 1), 7).await;
    let (_, view) = world.set(project(8, 1), 8).await;
    let id = view["project"].as_str().unwrap().to_owned();
    let withdrawal = |by: u8, counter: u32| {
        let repository = REPOSITORY.to_owned();
        json!(signed(ProjectWithdrawal { network: NET, repository, by: key(by), counter }, by))
    };
    let path = format!("/api/v1/projects/{id}/withdrawal");
    let (status, answer) = world.post_unsigned(&path, &withdrawal(9, 2)).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (409, Some("no_claim")));
    let elsewhere = format!("/api/v1/projects/{}/withdrawal", "0".repeat(32));
    let (status, answer) = world.post_unsigned(&elsewhere, &withdrawal(7, 2)).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (409, Some("other_task")));
    let (status, view) = world.post_unsigned(&path, &withdrawal(7, 2)).await;
    assert_eq!((status, &view["leader"]["key"]), (StatusCode::OK, &json!(key(8))), "{view}");
    assert_eq!(view["claims"][0]["withdrawn"]["counter"], 2);
    let (_, again) = world.post_unsigned(&path, &withdrawal(7, 2)).await;
    assert_eq!(again, view, "twice is once");
    let (html, _) = world.page(&format!("/projects/{id}")).await;
    assert!(html.contains(", withdrawn "), "{html}");
    let (_, view) = world.set(project(7, 3), 7).await;
    assert_eq!(
        (&view["leader"]["key"], &view["claims"][1]["by"]),
        (&json!(key(8)), &json!(key(7))),
        "{view}"
    );
    // The leader's claim gone, what it set goes into no charter.
    let wish = world.wished(2, TEXT).await;
    world.post_unsigned(&path, &withdrawal(8, 2)).await;
    world.post_unsigned(&path, &withdrawal(7, 4)).await;
    let (_, json) = world.page(&format!("/new?wish={wish}")).await;
    assert_eq!(json["values"].get("leader_address"), None, "{json}");
}

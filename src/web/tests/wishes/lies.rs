//! A service that tells other things of a project than its leader signed: no charter is drafted from them.

use super::{REPOSITORY, TEXT, project, run};
use crate::draft::NOMINATED_BY;
use crate::escrow::charter::Charter;
use crate::escrow::network::Network;
use crate::escrow::testing;
use crate::web::tests::fakes::World;
use axum::http::{StatusCode, Uri};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Answers what it was given, by path.
async fn answering(answers: BTreeMap<String, Value>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |uri: Uri| {
        let known = answers.get(uri.path()).cloned();
        async move { known.map(Json).ok_or(StatusCode::NOT_FOUND) }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.unwrap() });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_charter_is_drafted_from_what_no_leader_signed() {
    let world = World::new(None, |_| {}).await;
    let id = world.wished(2, TEXT).await.to_string();
    let (status, honest) = world.set(project(7, 1), 7).await;
    assert_eq!(status, StatusCode::OK, "{honest}");
    let own = format!("/api/v1/projects/{}", honest["project"].as_str().unwrap());
    let home = tempfile::tempdir().unwrap();
    let seat = |person: u8| testing::seat(Network::Regtest, person).key;
    let (developer, representative, arbiter) = (seat(1), seat(2), seat(3));
    let payee = format!("{}:9750", testing::address(Network::Regtest, 0));
    let refund_time = testing::REFUND_TIME.to_string();
    let mut drafted = Vec::new();
    for lie in ["nothing", "developer", "address", "key", "repository"] {
        let mut told = honest.clone();
        let settings = &mut told["claims"][0]["settings"];
        match lie {
            "address" => {
                settings["leader_address"] = json!(testing::address(Network::Regtest, 9).to_string())
            }
            "key" => told["claims"][0]["by"] = json!(super::key(8)),
            "repository" => settings["repository"] = json!(format!("{REPOSITORY}/other")),
            _ => {}
        }
        let mut answers = BTreeMap::from([(own.clone(), told)]);
        for path in ["/api/v1/status".to_owned(), format!("/api/v1/wishes/{id}")] {
            let (_, answer) = world.get(&path).await;
            answers.insert(path, answer);
        }
        answers.insert(format!("/api/v1/wishes/{id}/words"), json!({ "items": [], "next": null }));
        if lie == "developer" {
            // Of whom no word is there to be checked.
            let told = answers.get_mut(&format!("/api/v1/wishes/{id}")).unwrap();
            told["developers"] = json!([super::key(8)]);
        }
        let server = answering(answers).await;
        let out = home.path().join(lie);
        let out = out.to_str().unwrap();
        let args = [
            ["charter", "new"],
            ["--wish", &id],
            ["--out", out],
            ["--developer", &developer],
            ["--representative", &representative],
            ["--arbiter", &arbiter],
            ["--target-sat", "500000"],
            ["--payee", &payee],
            ["--refund-time", &refund_time],
        ];
        let (status, answer) = run(&server, "", &args.concat()).await;
        drafted.push((lie, status, std::fs::exists(out).unwrap()));
        let field = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(field.contains("claims"), !["nothing", "developer"].contains(&lie), "{lie}: {answer}");
        if lie == "developer" {
            let charter = Charter::parse(&std::fs::read(out).unwrap()).unwrap();
            assert_eq!(
                charter.fields().developer.nominated_by,
                NOMINATED_BY,
                "who never offered is not named"
            );
        }
    }
    let refused = [("address", 4, false), ("key", 4, false), ("repository", 4, false)];
    assert_eq!(drafted, [&[("nothing", 0, true), ("developer", 0, true)][..], &refused].concat());
}

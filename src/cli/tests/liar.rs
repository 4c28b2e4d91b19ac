//! A service that may lie: the real book of a task behind a few lines of HTTP, with one field of one answer
//! changed. Whatever it changes, a sponsor's command must name the field, and show no address.

use super::{Ran, WORDS, http, path, upfront};
use crate::escrow::charter::CharterFields;
use crate::escrow::event::Command;
use crate::escrow::network::Network;
use crate::escrow::statement::Choice;
use crate::escrow::testing::{self, World};
use crate::service::views::{PledgeView, TaskView};
use bitcoin::Amount;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What it says instead: given the request line and the honest answer.
type Lie = Arc<dyn Fn(&str, &mut Value) + Send + Sync>;

struct Service {
    url: String,
    world: Arc<Mutex<World>>,
}

impl Service {
    fn start(world: World, lie: impl Fn(&str, &mut Value) + Send + Sync + 'static) -> Service {
        let world = Arc::new(Mutex::new(world));
        let shared = Arc::clone(&world);
        let lie: Lie = Arc::new(lie);
        let url = http::serve(move |request, body| respond(request, body, &mut shared.lock().unwrap(), &lie));
        Service { url, world }
    }

    fn id(&self) -> String {
        self.world.lock().unwrap().id.to_string()
    }
}

fn respond(request: &str, body: &[u8], world: &mut World, lie: &Lie) -> (u16, String) {
    let tip = world.book.tip().copied();
    if request.ends_with("/charter") {
        let text = String::from_utf8(world.task().charter().bytes().to_vec()).unwrap();
        let mut value = Value::String(text);
        lie(request, &mut value);
        return (200, value.as_str().unwrap().to_owned());
    }
    let mut value = if request.starts_with("POST") && request.ends_with("/pledges") {
        let asked: Value = serde_json::from_slice(body).unwrap();
        let index = u32::try_from(asked["index"].as_u64().unwrap()).unwrap();
        let command = Command::IssuePledge {
            index,
            sponsor_key: asked["sponsor_key"].as_str().unwrap().parse().unwrap(),
            refund_address: asked["refund_address"].as_str().unwrap().to_owned(),
            signature: asked["signature"].as_str().unwrap().parse().unwrap(),
            amount: Amount::from_sat(asked["amount_sat"].as_u64().unwrap()),
        };
        if let Err(refused) = world.give(&command) {
            let error = json!({ "code": refused.code(), "detail": refused.to_string() });
            return (409, error.to_string());
        }
        serde_json::to_value(PledgeView::of(world.task(), index, tip.as_ref()).unwrap()).unwrap()
    } else {
        serde_json::to_value(TaskView::new(world.task(), tip.as_ref())).unwrap()
    };
    lie(request, &mut value);
    (200, value.to_string())
}

fn world() -> World {
    World::new(|_: &mut CharterFields| ())
}

fn pledge(service: &Service, dir: &Path) -> Ran {
    let key = path(dir, "key");
    std::fs::write(&key, WORDS).unwrap();
    let recovery = path(dir, "recovery.json");
    let (id, server) = (service.id(), &service.url);
    upfront(&[
        "--json",
        "--server",
        server,
        "pledge",
        &id,
        "--amount",
        "50000",
        "--key",
        &key,
        "--recovery",
        &recovery,
    ])
}

#[test]
fn an_honest_service_gets_a_pledge_whose_recovery_file_is_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(world(), |_, _| ());
    let ran = pledge(&service, dir.path());
    assert_eq!(ran.status, 0, "{}", ran.err);
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    let world = service.world.lock().unwrap();
    assert_eq!(shown["address"], world.task().pledges()[&1].output.address.to_string());
    let bytes = std::fs::read(path(dir.path(), "recovery.json")).unwrap();
    let file =
        crate::escrow::recovery::RecoveryFile::parse(&bitcoin::secp256k1::Secp256k1::new(), &bytes).unwrap();
    assert_eq!(file.output().address.to_string(), shown["address"]);
    assert_eq!(file.phrase(), Some(WORDS));
    assert!(!ran.out.contains("abandon") && !ran.err.contains("abandon"));
}

#[test]
fn every_lie_about_a_new_pledge_is_named() {
    let other = testing::sponsor(9).x_only_public_key().0.to_string();
    let lies: [(&str, Value); 7] = [
        ("index", json!(2)),
        ("address", json!(testing::address(Network::Regtest, 1).to_string())),
        ("descriptor", json!("tr(x)#y")),
        ("sponsor_key", json!(other)),
        ("refund_address", json!(testing::address(Network::Regtest, 2).to_string())),
        ("promised_sat", json!(1)),
        ("uri", json!("bitcoin:bcrt1qother?amount=1")),
    ];
    for (field, value) in lies {
        let dir = tempfile::tempdir().unwrap();
        let service = Service::start(world(), move |request, answer| {
            if request.starts_with("POST") {
                answer[field] = value.clone();
            }
        });
        let ran = pledge(&service, dir.path());
        assert_eq!((ran.status, ran.out.as_str()), (4, ""), "{field}: {}", ran.err);
        assert!(ran.err.contains(&format!("service's {field} is not true")), "{}", ran.err);
    }
}

#[test]
fn every_lie_about_the_task_is_named_before_anything_is_signed() {
    let attested = |role: &'static str| {
        move |answer: &mut Value| {
            answer["attestations"][role] = json!("11".repeat(64));
        }
    };
    type Change = Box<dyn Fn(&mut Value) + Send + Sync>;
    let lies: [(&str, Change); 6] = [
        ("terms", Box::new(|answer| answer["terms"]["refund_time"] = json!(1_811_725_200))),
        ("terms", Box::new(|answer| answer["terms"]["payees"][0]["share_bps"] = json!(1))),
        ("text", Box::new(|answer| answer["text"] = json!("Pay me."))),
        ("charter", Box::new(|answer| answer["charter"] = json!("ab".repeat(32)))),
        ("attestations.arbiter", Box::new(attested("arbiter"))),
        (
            "open_address",
            Box::new(|answer| {
                answer["open_address"] = json!(testing::address(Network::Regtest, 1).to_string())
            }),
        ),
    ];
    for (field, change) in lies {
        let dir = tempfile::tempdir().unwrap();
        let service = Service::start(world(), move |request, answer| {
            if request.starts_with("GET") && !request.ends_with("/charter") {
                change(answer);
            }
        });
        let ran = pledge(&service, dir.path());
        assert_eq!((ran.status, ran.out.as_str()), (4, ""), "{field}: {}", ran.err);
        assert!(ran.err.contains(&format!("service's {field} is not true")), "{}", ran.err);
        assert!(service.world.lock().unwrap().task().pledges().is_empty());
        assert!(!dir.path().join("recovery.json").exists());
    }
}

#[test]
fn another_charter_than_the_one_asked_for_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(world(), |request, answer| {
        if request.ends_with("/charter") {
            let mut fields = testing::fields(Network::Regtest);
            fields.cap_sat += 1;
            let other = crate::escrow::charter::Charter::from_fields(fields).unwrap();
            *answer = Value::String(String::from_utf8(other.bytes().to_vec()).unwrap());
        }
    });
    let ran = pledge(&service, dir.path());
    assert_eq!((ran.status, ran.out.as_str()), (4, ""), "{}", ran.err);
    assert!(ran.err.contains("service's charter is not true"), "{}", ran.err);
}

#[test]
fn a_faster_sponsor_costs_another_signature_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world();
    world.issue(Amount::from_sat(20_000));
    // The first answer is old: it says that index 1 is free.
    let asked = Mutex::new(0);
    let service = Service::start(world, move |request, answer| {
        let mut asked = asked.lock().unwrap();
        if request.starts_with("GET") && !request.ends_with("/charter") && *asked == 0 {
            *asked += 1;
            answer["next_index"] = json!(1);
            answer["pledges"] = json!([]);
        }
    });
    let ran = pledge(&service, dir.path());
    assert_eq!(ran.status, 0, "{}", ran.err);
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(shown["index"], 2);
}

#[test]
fn a_refused_pledge_leaves_no_file_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world();
    let close = world.task().charter().fields().funding_close;
    world.advance_to(close + 1);
    let service = Service::start(world, |_, _| ());
    let ran = pledge(&service, dir.path());
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.err.contains("funding_closed"), "{}", ran.err);
    assert!(!dir.path().join("recovery.json").exists());
}

#[test]
fn a_submission_nobody_signed_gets_no_vote() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world();
    let (index, _) = world.fund(Amount::from_sat(50_000));
    let id = world.submit();
    world.vote(id, index, Choice::Yes, 0).unwrap();
    let service = Service::start(world, |request, answer| {
        if request.starts_with("GET") && !request.ends_with("/charter") {
            answer["submissions"][0]["submission"]["statement"]["link"] = json!("https://example.org/other");
        }
    });
    let key = path(dir.path(), "key");
    std::fs::write(&key, WORDS).unwrap();
    let (task, server) = (service.id(), service.url.as_str());
    let ran = upfront(&[
        "--json", "--server", server, "vote", &task, "--pledge", "1", "--choice", "no", "--key", &key,
    ]);
    assert_eq!((ran.status, ran.out.as_str()), (4, ""), "{}", ran.err);
    assert!(ran.err.contains("service's submission is not true"), "{}", ran.err);
}

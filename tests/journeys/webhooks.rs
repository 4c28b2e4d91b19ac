//! A receiver that somebody runs beside the service: what happens arrives signed, in order, and again after a
//! crash; another implementation of the signature agrees.

use crate::harness::{Desk, Sponsor, Task, World, wait_until};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::{Choice, Role};
use upfront::keys::Phrase;

/// One message.
#[derive(Clone, Debug)]
struct Message {
    headers: HashMap<String, String>,
    body: String,
}

impl Message {
    fn event(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["id"].as_str().unwrap().to_owned()
    }
}

/// Takes messages and answers with a status that can be changed.
struct Receiver {
    address: String,
    got: Arc<Mutex<Vec<Message>>>,
    status: Arc<AtomicU16>,
}

impl Receiver {
    fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (got, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU16::new(200)));
        let (kept, answer) = (Arc::clone(&got), Arc::clone(&status));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut headers = HashMap::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    match line.trim().split_once(": ") {
                        Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
                        None if line.trim().is_empty() => break,
                        None => headers.insert(String::new(), line.trim().to_owned()),
                    };
                }
                let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                kept.lock().unwrap().push(Message { headers, body: String::from_utf8(body).unwrap() });
                let status = answer.load(Ordering::SeqCst);
                let _ =
                    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Receiver { address, got, status }
    }

    fn events(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(Message::event).collect()
    }
}

/// Somebody with an identity.
fn desk(url: String) -> Desk {
    let mut desk = Desk::new(url);
    Phrase::from_entropy(&[0x55; 16]).write_new(&desk.path("me"), "", None).unwrap();
    desk.set("UPFRONT_IDENTITY_FILE", "me");
    desk
}

/// HMAC-SHA256 by openssl.
fn openssl(secret_file: &Path, message: &Message) -> String {
    let script = r#"key=$(sed 's/^whsec_//' "$1" | base64 -d | od -An -vtx1 | tr -d ' \n')
        printf %s "$2" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64"#;
    let header = |name: &str| message.headers[name].clone();
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), message.body);
    let done = Command::new("sh").args(["-c", script, "sh"]).arg(secret_file).arg(signed).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    format!("v1,{}", String::from_utf8(done.stdout).unwrap().trim())
}

#[test]
fn a_payout_is_told_to_a_receiver_across_outages_and_a_crash() {
    let receiver = Receiver::start();
    let mut world = World::start();
    world.service.kill();
    world.service.set("UPFRONT_WEBHOOKS_ALLOW", &receiver.address);
    world.service.start(None);
    world.synced();
    let desk = desk(world.service.url());
    let secret_file = desk.path("secret");
    let hook_url = format!("http://{}/hook", receiver.address);
    let made = desk.run(&["webhook", "add", &hook_url, "--secret-file", secret_file.to_str().unwrap()]);
    let id = made["webhook"]["id"].as_str().unwrap().to_owned();
    assert_eq!(made.get("secret"), None, "it is in the file");
    for private in ["http://127.0.0.1:1/", "https://127.0.0.1/", "https://10.0.0.1/", "https://localhost/"] {
        let refused = desk.try_run(&["webhook", "add", private]).unwrap_err();
        assert_eq!(refused["error"]["code"], "webhook_target", "{private}");
    }
    let tried = desk.run(&["webhook", "test", &id]);
    assert_eq!(tried["status"], 200);
    wait_until("the test arrives", || (receiver.got.lock().unwrap().len() == 1).then_some(()));
    receiver.got.lock().unwrap().clear();

    let task = Task::open(&world, 70, |_| ());
    let pledge = task.pledge(&world.api(), &Sponsor::new(1), 400_000);
    wait_until("the first events arrive", || (receiver.events().len() >= 5).then_some(()));
    // The receiver is down while the money comes.
    receiver.status.store(500, Ordering::SeqCst);
    let txid = world.node.send(pledge.address(), pledge.amount);
    let outpoint = world.node.outpoint(&txid, pledge.address());
    task.wait_seen(&world.api(), &pledge, outpoint);
    world.mine(1);
    let refused = || receiver.got.lock().unwrap().len();
    let before = refused();
    wait_until("it is tried while it is down", || (refused() > before + 1).then_some(()));
    // And then the service dies.
    world.service.kill();
    receiver.status.store(200, Ordering::SeqCst);
    world.service.start(None);
    world.synced();
    let api = world.api();
    task.secure(&api, &pledge, outpoint).unwrap();
    let submission = task.submit(&world);
    task.vote(&api, &pledge, submission, Choice::Yes).unwrap();
    let payout = task.propose(&api, Kind::Payout { submission }, 2).unwrap();
    for role in [Role::Developer, Role::Arbiter] {
        task.sign(&api, &payout.id, role).unwrap();
    }
    world.node.wait_mempool(1);
    world.mine(1);

    let all = || -> Vec<String> {
        let page: Value = api.get("/events?limit=1000").unwrap();
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect()
    };
    wait_until("everything has arrived", || (receiver.events().last() == all().last()).then_some(()));
    let expected = all();
    let mut got = receiver.events();
    // What failed came again under its id; nothing is missing, and nothing overtook anything.
    got.dedup();
    let mut once = Vec::new();
    for event in &got {
        if !once.contains(event) {
            once.push(event.clone());
        }
    }
    assert_eq!(once, expected);
    let sorted = {
        let mut numbers: Vec<(u64, u64)> = expected
            .iter()
            .map(|id| id.split_once('-').map(|(a, b)| (a.parse().unwrap(), b.parse().unwrap())).unwrap())
            .collect();
        numbers.sort_unstable();
        numbers.iter().map(|(a, b)| format!("{a}-{b}")).collect::<Vec<_>>()
    };
    assert_eq!(expected, sorted);

    let messages = receiver.got.lock().unwrap().clone();
    for message in [&messages[0], messages.last().unwrap()] {
        assert_eq!(message.headers["webhook-signature"], openssl(&secret_file, message));
        std::fs::write(desk.path("body"), &message.body).unwrap();
        let genuine = |signature: &str| {
            desk.try_run(&[
                "webhook",
                "verify",
                "--secret-file",
                secret_file.to_str().unwrap(),
                "--id",
                &message.headers["webhook-id"],
                "--timestamp",
                &message.headers["webhook-timestamp"],
                "--signature",
                signature,
                "body",
            ])
        };
        assert_eq!(genuine(&message.headers["webhook-signature"]).unwrap(), json!({ "genuine": true }));
        assert_eq!(genuine("v1,AAAA").unwrap_err()["error"]["code"], "not_genuine");
    }
    let shown = desk.run(&["webhook", "show", &id]);
    assert_eq!(shown["delivered"], expected.last().unwrap().as_str());
    let secret = std::fs::read_to_string(&secret_file).unwrap();
    assert!(
        !world.service.log().contains(secret.trim().trim_start_matches("whsec_")),
        "no secret in the log"
    );

    desk.run(&["webhook", "remove", &id]);
    assert_eq!(desk.try_run(&["webhook", "show", &id]).unwrap_err()["error"]["code"], "unknown_webhook");
    assert_eq!(desk.run(&["webhook", "list"]), json!([]));
}

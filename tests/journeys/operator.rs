//! What an operator does to the service and reads from it: stops it with a request under way, reads its log,
//! lets systemd start it, listens at a socket in the file system.

use crate::harness::service::signal;
use crate::harness::{Sponsor, Task, World, directory, wait_until};
use bitcoin::Amount;
use bitcoin::consensus::encode::serialize_hex;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use upfront::escrow::statement::Role;

const PASSPHRASE: &str = "a passphrase that is nowhere else";

/// A request in two halves, so that it is under way for as long as the test wants.
struct Halved {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Halved {
    fn begin(url: &str, path: &str, body: &Value) -> Halved {
        let address = url.strip_prefix("http://").unwrap();
        let body = body.to_string().into_bytes();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "POST /api/v1{path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let (first, rest) = body.split_at(body.len() / 2);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(first).unwrap();
        Halved { stream, rest: rest.to_vec() }
    }

    fn finish(mut self) -> String {
        self.stream.write_all(&self.rest).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// Every secret of a life, and every signature that the journal holds, as they might be written.
fn secrets(world: &World, task: &Task, sponsors: &[(Sponsor, crate::harness::Pledged)]) -> Vec<String> {
    let mut secrets = Vec::new();
    for role in Role::ALL {
        let key = task.signers.of(role).statement_key().secret_key();
        secrets.push(key.display_secret().to_string());
    }
    for (_, pledged) in sponsors {
        secrets.push(pledged.phrase.clone());
        secrets.push(pledged.key.secret_key().display_secret().to_string());
        let wif = bitcoin::PrivateKey::new(pledged.key.secret_key(), bitcoin::Network::Regtest).to_wif();
        secrets.push(wif);
    }
    let receipt = std::fs::read_to_string(world.service.data_dir().join("receipt.key")).unwrap();
    secrets.extend([receipt.trim().to_owned(), PASSPHRASE.to_owned()]);
    let journal = std::fs::read_to_string(world.service.data_dir().join("journal.jsonl")).unwrap();
    let words = journal.split(|c: char| !c.is_ascii_hexdigit());
    let signatures: Vec<String> = words.filter(|word| word.len() >= 128).map(str::to_owned).collect();
    assert!(signatures.len() > 10, "the journal holds signatures");
    secrets.extend(signatures);
    secrets
}

/// A life with everything logged that can be: no secret in it, every line an object with its identifiers. Then
/// the service is told to stop with a pledge under way, which is answered and on the disk.
#[test]
fn the_log_names_no_secret_and_an_orderly_end_loses_nothing() {
    let mut world = World::start();
    world.service.signal("INT");
    assert!(world.service.ended().success(), "idle, it ends at once");
    let data_dir = world.service.data_dir();
    let passphrase_file = data_dir.with_file_name("passphrase");
    std::fs::write(&passphrase_file, PASSPHRASE).unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_upfront"))
        .args(["wallet", "new", "--network", "regtest", "--data-dir"])
        .arg(&data_dir)
        .arg("--passphrase-file")
        .arg(&passphrase_file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    world.service.set("UPFRONT_WALLET_PASSPHRASE_FILE", passphrase_file.to_str().unwrap());
    world.service.set("RUST_LOG", "info,upfront=trace");
    world.service.set("UPFRONT_LOG_FORMAT", "json");
    world.service.start(None);
    world.synced();
    let api = world.api();
    let task = Task::open(&world, 1, |_| ());
    let sponsors: Vec<_> = [1, 2]
        .map(Sponsor::new)
        .into_iter()
        .map(|sponsor| {
            let pledged = task.pledge(&api, &sponsor, 300_000);
            (sponsor, pledged)
        })
        .collect();
    let mut refunds = Vec::new();
    for (_, pledged) in &sponsors {
        let txid = world.node.send(pledged.address(), pledged.amount);
        let outpoint = world.node.outpoint(&txid, pledged.address());
        task.wait_seen(&api, pledged, outpoint);
        task.secure(&api, pledged, outpoint).unwrap();
        let bundle = pledged.refund(outpoint, pledged.amount);
        refunds.extend(bundle.ladder().iter().map(|(_, transaction)| serialize_hex(transaction)));
        refunds.push(serialize_hex(&bundle.pair()));
    }
    world.mine(1);
    // Refusals are logged too.
    assert!(api.post::<Value>(&task.path("/votes"), &json!({ "phrase": sponsors[0].1.phrase })).is_err());

    let late = Sponsor::new(3);
    let pledged = task.sign_pledge(&late, 3, Amount::from_sat(200_000));
    let body = json!({
        "index": 3,
        "sponsor_key": pledged.statement.statement.sponsor_key,
        "refund_address": pledged.refund_address().to_string(),
        "signature": pledged.statement.signature,
        "amount_sat": 200_000,
    });
    let under_way = Halved::begin(&world.service.url(), &task.path("/pledges"), &body);
    std::thread::sleep(Duration::from_millis(200));
    world.service.signal("TERM");
    let port_closed = || TcpStream::connect(world.service.url().strip_prefix("http://").unwrap()).is_err();
    wait_until("nothing new is taken", || port_closed().then_some(()));
    let answer = under_way.finish();
    assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("\"address\""), "{answer}");
    assert!(answer.to_lowercase().contains("x-request-id: "), "{answer}");
    assert_eq!(world.service.ended().code(), Some(0));

    let log = world.service.log();
    assert!(log.contains("everything is on the disk"), "{log}");
    for secret in secrets(&world, &task, &sponsors).iter().chain(&refunds) {
        assert!(!log.contains(secret.as_str()), "a secret of {} characters is in the log", secret.len());
    }
    let second = log.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = second.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines.len() > 20
            && lines.iter().all(|line| line["level"].is_string() && line["timestamp"].is_string())
    );
    let of_task = |line: &&Value| line["span"]["task.id"] == task.id().to_string();
    assert!(lines.iter().filter(of_task).all(|line| line["span"]["request.id"].is_string()));
    assert!(lines.iter().filter(of_task).count() > 5);
    assert!(lines.iter().any(|line| line["tip.height"].is_number()));

    world.service.start(None);
    let kept = task.view(&world.api());
    assert!(kept.pledges.iter().any(|pledge| pledge.index == 3), "answered is kept");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (mut process, socket, _dir) = start_alone(&[]);
    // Half a body keeps a request under way.
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"POST /api/v1/tasks HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    signal(&process, "TERM");
    std::thread::sleep(Duration::from_millis(500));
    assert!(process.try_wait().unwrap().is_none(), "it waits for the request");
    signal(&process, "TERM");
    assert_eq!(ended(&mut process).code(), Some(1));
}

/// What systemd sees and what answers at a socket in the file system, without any Electrum server.
#[test]
fn the_service_manager_is_told_and_a_socket_serves() {
    let dir = directory();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let notify = dir.path().join("notify").display().to_string();
    let (mut process, socket, _dir) = start_alone(&[("NOTIFY_SOCKET", &notify), ("WATCHDOG_USEC", "400000")]);
    let hear = || {
        let mut heard = [0; 256];
        let length = manager.recv(&mut heard).expect("the manager hears something");
        String::from_utf8(heard[..length].to_vec()).unwrap()
    };
    assert_eq!(hear(), "READY=1");
    assert_eq!((hear(), hear()), ("WATCHDOG=1".to_owned(), "WATCHDOG=1".to_owned()));
    let ask = |path: &str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("/health").starts_with("HTTP/1.1 200"));
    let ready = ask("/ready");
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("0 of 1 connected"), "{ready}");
    assert!(ready.contains("\"name\":\"disk\",\"state\":\"ok\""), "{ready}");
    assert!(ask("/metrics").contains("\nupfront_ready 0\n"));
    signal(&process, "TERM");
    while hear() != "STOPPING=1" {}
    assert!(ended(&mut process).success());
    assert!(!socket.exists(), "it takes its socket away");
}

/// The program with no Electrum server, at a socket in the file system.
fn start_alone(variables: &[(&str, &str)]) -> (Child, std::path::PathBuf, tempfile::TempDir) {
    let dir = directory();
    let socket = dir.path().join("s.sock");
    let process = Command::new(env!("CARGO_BIN_EXE_upfront"))
        .arg("serve")
        .env("UPFRONT_NETWORK", "regtest")
        .env("UPFRONT_DATA_DIR", dir.path().join("data"))
        .env("UPFRONT_LISTEN", format!("unix:{}", socket.display()))
        .env("UPFRONT_ELECTRUM", "tcp://127.0.0.1:1")
        .env_remove("NOTIFY_SOCKET")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the socket answers", || UnixStream::connect(&socket).ok().map(|_| ()));
    (process, socket, dir)
}

fn ended(process: &mut Child) -> ExitStatus {
    wait_until("it ends", || process.try_wait().unwrap())
}

//! What an operator does to the service: stops it with a request under way, lets systemd start it, listens at a socket in the file system.

use crate::harness::service::signal;
use crate::harness::{Sponsor, Task, World, directory, wait_until};
use bitcoin::Amount;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

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

/// The service is told to stop with a pledge under way, which is answered and on the disk. (What the log of a life
/// holds is in `log.rs`.)
#[test]
fn an_orderly_end_loses_nothing() {
    let mut world = World::start();
    world.service.signal("INT");
    assert!(world.service.ended().success(), "idle, it ends at once");
    world.service.start(None);
    world.synced();
    let task = Task::open(&world, 1, |_| ());
    task.pledge(&world.api(), &Sponsor::new(1), 300_000);

    let late = Sponsor::new(3);
    let pledged = task.sign_pledge(&late, 2, Amount::from_sat(200_000));
    let body = json!({
        "index": 2,
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

    assert!(world.service.log().contains("everything is on the disk"));

    world.service.start(None);
    let kept = task.view(&world.api());
    assert!(kept.pledges.iter().any(|pledge| pledge.index == 2), "answered is kept");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (mut process, socket, _dir) = start_alone(&[]);
    // Half a body keeps a request under way.
    let mut stream = UnixStream::connect(&socket).unwrap();
    let path = format!("/api/v1/tasks/{}/votes", "0".repeat(64));
    write!(stream, "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n").unwrap();
    stream.write_all(b"content-length: 100\r\n\r\n{").unwrap();
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

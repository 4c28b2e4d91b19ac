//! A service that is scripted on the wire: each connection gets the bytes it is to get, and then is closed.

use super::*;
use crate::escrow::public::{ProjectId, Repository, What};
use crate::escrow::statement::CharterId;
use crate::escrow::task::Stage;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nconnection: close\r\n\r\n";
const HELLO: &str = "retry: 1\nid: 0-0\nevent: hello\ndata: {\"newest\":\"0-0\"}\n\n";

fn event(seq: u64, place: u32) -> PublicEvent {
    let repository = "https://example.org/parser";
    PublicEvent {
        id: EventId { seq, place },
        what: What::StageChanged { from: Stage::Draft, to: Stage::Open },
        charter: Some(CharterId([1; 32])),
        wish: None,
        pledge: None,
        signed_by: None,
        project: ProjectId::of(repository),
        repository: Repository::new(repository),
        at: None,
        recorded_secs: seq,
    }
}

fn lines(seq: u64, place: u32) -> String {
    let json = serde_json::to_string(&event(seq, place)).unwrap();
    format!("id: {seq}-{place}\nevent: stage_changed\ndata: {json}\n\n")
}

/// Answers one connection after the other, and gives back the heads of the requests.
fn scripted(answers: Vec<String>) -> (Client, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
    let server = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
            }
            heads.push(head);
            // Who has had enough closes first.
            let _ = stream.write_all(answer.as_bytes());
        }
        heads
    });
    (client, server)
}

/// Ids until the first error that trying again does not mend, and how often it was cut.
fn hear(follow: &mut Follow<'_>, most: usize) -> (Vec<String>, u32, Option<ClientError>) {
    let (mut ids, mut cuts) = (Vec::new(), 0);
    while ids.len() < most {
        match follow.step() {
            Ok(Step::Event(told)) => {
                assert_eq!(told.event.as_ref().unwrap().id, told.id);
                ids.push(told.id.to_string());
            }
            Ok(Step::Cut { wait, .. }) => {
                cuts += 1;
                let least = Duration::from_millis(RETRY_LIMITS_MS.0);
                assert!(wait >= least && wait <= Duration::from_secs(75), "{wait:?}");
            }
            Err(error) => return (ids, cuts, Some(error)),
        }
    }
    (ids, cuts, None)
}

fn refusal(status: u16, code: &str) -> String {
    let body = format!("{{\"code\":\"{code}\",\"detail\":\"no\"}}");
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn each_event_is_told_once_over_cuts_repetitions_and_comments() {
    let half = &lines(2, 1)[..40];
    let (client, server) = scripted(vec![
        // Cut in the middle of an event.
        format!("{HEAD}{HELLO}{}: still here\n\n{}{half}", lines(1, 0), lines(2, 0)),
        // Begins anew, although told where to go on; line ends of another kind.
        format!("{HEAD}{HELLO}{}{}{}{}", lines(1, 0), lines(2, 0), lines(2, 1), lines(2, 1))
            .replace('\n', "\r\n")
            .replace("\r\r\n", "\r\n"),
        // A proxy whose service is away, an edge that is full, and a connection closed at once.
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno".into(),
        refusal(503, "too_many_listeners"),
        String::new(),
        // A cut in the middle of a chunk.
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\nfff\r\nid: 9",
            lines(3, 0).len(),
            lines(3, 0)
        ),
        format!("{HEAD}{}", lines(4, 0)),
    ]);
    let mut follow = client.follow(Topic::All, None);
    let (ids, cuts, error) = hear(&mut follow, 5);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(ids, ["1-0", "2-0", "2-1", "3-0", "4-0"]);
    assert_eq!(cuts, 6);
    let heads = server.join().unwrap();
    let from: Vec<Option<&str>> =
        heads.iter().map(|head| head.lines().find_map(|line| line.strip_prefix("last-event-id: "))).collect();
    let two = Some("2-1");
    assert_eq!(from, [None, Some("2-0"), two, two, two, two, Some("3-0")]);
    for head in &heads {
        assert!(head.starts_with("GET /api/v1/events HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("accept: text/event-stream\r\n"), "{head}");
    }
}

#[test]
fn a_cut_before_the_first_event_goes_on_after_the_greeting() {
    let hello = "id: 7-0\nevent: hello\ndata: {}\n\n";
    let (client, server) =
        scripted(vec![format!("{HEAD}retry: 100\n{hello}"), format!("{HEAD}{hello}{}", lines(8, 0))]);
    let task = Topic::Pledge(CharterId([0xab; 32]), 3);
    let (ids, ..) = hear(&mut client.follow(task, None), 1);
    assert_eq!(ids, ["8-0"]);
    let heads = server.join().unwrap();
    assert!(heads[1].contains("last-event-id: 7-0\r\n"), "{}", heads[1]);
    assert!(heads[0].starts_with(&format!("GET /api/v1/tasks/{}/pledges/3/events ", "ab".repeat(32))));
}

#[test]
fn waits_grow_with_each_cut_and_are_short_again_when_it_goes_well() {
    let broken = || format!("{HEAD}retry: 200\n{HELLO}").replace("retry: 1\n", "");
    let (client, _server) =
        scripted(vec![broken(), broken(), broken(), format!("{HEAD}{}", lines(1, 0)), broken()]);
    let mut follow = client.follow(Topic::All, None);
    let mut waits = Vec::new();
    while waits.len() < 5 {
        if let Step::Cut { wait, .. } = follow.step().unwrap() {
            waits.push(wait.as_millis());
        }
    }
    for (wait, least) in waits.iter().zip([200, 400, 800, 200, 400]) {
        assert!((least..=least * 5 / 4).contains(wait), "{waits:?}");
    }
    // A stream may ask for any time; it gets a minute at most.
    follow.retry_ms = u64::MAX;
    let Step::Cut { wait, .. } = follow.cut(String::new()) else { panic!("a cut") };
    assert!(wait <= Duration::from_secs(75), "{wait:?}");
}

#[test]
fn what_does_not_go_away_ends_it() {
    let ends = |answers: Vec<String>| {
        let (client, _server) = scripted(answers);
        let (ids, cuts, error) = hear(&mut client.follow(Topic::All, Some(EventId { seq: 1, place: 0 })), 9);
        (ids, cuts, error.unwrap())
    };
    let code = |answers: Vec<String>| ends(answers).2.code().to_owned();
    // Before the first stream everything does, so that a wrong address is told at once.
    assert_eq!(code(vec![refusal(503, "too_many_listeners")]), "too_many_listeners");
    assert_eq!(code(vec![String::new()]), "service_unreachable");
    let (ids, cuts, error) = ends(vec![format!("{HEAD}{}", lines(2, 0)), refusal(410, "events_forgotten")]);
    assert_eq!((ids.len(), cuts, error.code()), (1, 1, "events_forgotten"));
    let page =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
    assert_eq!(code(vec![page.into()]), "service_answer");
    for told in [
        "data: {\n\n".to_owned(),
        "data: {\"type\":\"x\"}\n\n".to_owned(),
        "id: x\ndata: {}\n\n".to_owned(),
        lines(2, 0).replace("id: 2-0", "id: 3-0"),
        format!("data: {}", "x".repeat(super::super::sse::MAX_EVENT_BYTES + 1)),
    ] {
        assert_eq!(code(vec![format!("{HEAD}{told}")]), "service_answer", "{}", &told[..told.len().min(60)]);
    }
}

#[test]
fn a_type_of_a_later_version_is_handed_on_as_it_came() {
    let json = r#"{"id":"5-0","type":"moon\u001b[2J","data":{"phase":1}}"#;
    let (client, _server) = scripted(vec![format!("{HEAD}id: 5-0\nevent: moon\ndata: {json}\n\n")]);
    let Step::Event(told) = client.follow(Topic::All, None).step().unwrap() else { panic!("an event") };
    assert_eq!((told.event.is_none(), told.id.seq, told.json["data"]["phase"].as_u64()), (true, 5, Some(1)));
    assert_eq!(told.kind(), "moon [2J", "nothing that moves the cursor");
}

fn page(items: &[PublicEvent], next: &str) -> String {
    let body = serde_json::json!({ "items": items, "next": next }).to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn pages_that_lead_nowhere_are_not_believed() {
    let after = EventId { seq: 1, place: 0 };
    let ask = |answer: String| {
        let (client, server) = scripted(vec![answer]);
        let told = client.events(&Topic::All, after, 2);
        assert!(server.join().unwrap()[0].starts_with("GET /api/v1/events?after=1-0&limit=2 "));
        told
    };
    let (items, next) = ask(page(&[event(1, 1), event(4, 0)], "4-0")).unwrap();
    assert_eq!((items.len(), next), (2, EventId { seq: 4, place: 0 }));
    for wrong in [
        page(&[event(1, 0)], "1-0"),
        page(&[event(2, 0), event(2, 0)], "2-0"),
        page(&[event(3, 0), event(2, 0)], "3-0"),
        page(&[event(3, 0)], "2-0"),
        page(&[], "0-9"),
        page(&[event(2, 0), event(3, 0), event(4, 0)], "4-0"),
    ] {
        assert_eq!(ask(wrong.clone()).unwrap_err().code(), "service_untrue", "{wrong}");
    }
}

//! The list of what was told: pages, topics, and what is forgotten.

use super::*;
use crate::escrow::public::{Repository, What};

fn event(seq: u64, place: u32, task: u8, pledge: Option<u32>) -> PublicEvent {
    let repository = format!("https://example.org/{}", task % 2);
    PublicEvent {
        id: EventId { seq, place },
        what: What::TaskOpened { open_address: String::new() },
        charter: Some(CharterId([task; 32])),
        wish: None,
        pledge,
        signed_by: None,
        project: ProjectId::of(&repository),
        repository: Repository::new(&repository),
        at: None,
        recorded_secs: seq,
    }
}

fn ids(page: &Page) -> Vec<String> {
    page.items.iter().map(|event| event.id.to_string()).collect()
}

fn log(max: usize) -> EventLog {
    let log = EventLog::new(max, 10, 0);
    log.tell(vec![event(1, 0, 1, None), event(2, 0, 2, Some(1)), event(2, 1, 2, Some(2))]);
    log.tell(vec![event(5, 0, 3, Some(1)), event(7, 0, 1, Some(1))]);
    log
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition() {
    let log = log(100);
    let mut after = EventId::default();
    let mut seen = Vec::new();
    loop {
        let page = log.page(&Topic::All, after, 2).unwrap();
        if page.items.is_empty() {
            assert_eq!(page.next, log.newest());
            break;
        }
        seen.extend(ids(&page));
        after = page.next;
    }
    assert_eq!(seen, ["1-0", "2-0", "2-1", "5-0", "7-0"]);
    // Any place between is one to go on from.
    let page = log.page(&Topic::All, EventId { seq: 3, place: 9 }, 10).unwrap();
    assert_eq!(ids(&page), ["5-0", "7-0"]);
}

#[test]
fn a_topic_has_its_own_events_and_goes_on_from_the_newest_of_all() {
    let log = log(100);
    let all = |topic: Topic| ids(&log.page(&topic, EventId::default(), 10).unwrap());
    assert_eq!(all(Topic::Task(CharterId([1; 32]))), ["1-0", "7-0"]);
    assert_eq!(all(Topic::Pledge(CharterId([2; 32]), 2)), ["2-1"]);
    assert_eq!(all(Topic::Pledge(CharterId([2; 32]), 3)), [] as [&str; 0]);
    assert_eq!(all(Topic::Project(ProjectId::of("https://example.org/1"))), ["1-0", "5-0", "7-0"]);
    assert_eq!(all(Topic::Task(CharterId([9; 32]))), [] as [&str; 0]);
    let page = log.page(&Topic::Task(CharterId([2; 32])), EventId::default(), 10).unwrap();
    assert_eq!(page.next, log.newest());
    let last: Vec<EventId> = log.last(&Topic::All, 2).iter().map(|event| event.id).collect();
    assert_eq!(last, [EventId { seq: 5, place: 0 }, EventId { seq: 7, place: 0 }]);
    assert_eq!(log.last(&Topic::Task(CharterId([1; 32])), 1)[0].id.seq, 7);
}

#[test]
fn backwards_pages_go_from_the_newest_to_the_first_without_gap_or_repetition() {
    let log = log(100);
    let ids = |page: &Backwards| page.items.iter().map(|event| event.id.to_string()).collect::<Vec<_>>();
    let walk = |log: &EventLog, topic: Topic| {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = log.before(&topic, before, 2);
            assert!(page.items.len() <= 2);
            seen.extend(ids(&page));
            match page.next {
                Some(next) => before = Some(next),
                None => return (seen, page.forgotten),
            }
        }
    };
    assert_eq!(walk(&log, Topic::All).0, ["7-0", "5-0", "2-1", "2-0", "1-0"]);
    assert_eq!(walk(&log, Topic::Task(CharterId([1; 32]))).0, ["7-0", "1-0"]);
    assert_eq!(walk(&log, Topic::Project(ProjectId::of("https://example.org/1"))).0, ["7-0", "5-0", "1-0"]);
    assert_eq!(walk(&log, Topic::Pledge(CharterId([2; 32]), 2)).0, ["2-1"]);
    assert_eq!(walk(&log, Topic::Task(CharterId([9; 32]))), (vec![], false));
    // From any place between, also one that no event has; and where the oldest are gone, that is said.
    let page = log.before(&Topic::All, Some(EventId { seq: 3, place: 0 }), 9);
    assert_eq!(
        (ids(&page), page.next, page.forgotten),
        (vec!["2-1".into(), "2-0".into(), "1-0".into()], None, false)
    );
    assert_eq!(log.before(&Topic::All, Some(EventId::default()), 9).items, []);
    let cut = super::tests::log(2);
    assert_eq!(walk(&cut, Topic::All), (vec!["7-0".into(), "5-0".into()], true));
    assert_eq!(walk(&cut, Topic::Task(CharterId([1; 32]))), (vec!["7-0".into()], true));
}

#[test]
fn a_wish_has_its_own_events_until_they_are_forgotten() {
    let wish = crate::escrow::statement::TaskId([9; 32]);
    let said = |seq| PublicEvent { charter: None, wish: Some(wish), ..event(seq, 0, 1, None) };
    let chartered = |seq| PublicEvent { wish: Some(wish), ..event(seq, 0, 1, None) };
    let log = EventLog::new(3, 10, 0);
    log.tell(vec![said(1), event(2, 0, 1, None), chartered(3)]);
    let of = |topic: &Topic| ids(&log.page(topic, EventId::default(), 9).unwrap());
    assert_eq!(of(&Topic::Wish(wish)), ["1-0", "3-0"]);
    assert_eq!(of(&Topic::Task(CharterId([1; 32]))), ["2-0", "3-0"], "a drafted charter is told of both");
    assert_eq!(of(&Topic::Project(event(1, 0, 1, None).project)).len(), 3);
    assert_eq!(of(&Topic::Wish(crate::escrow::statement::TaskId([8; 32]))), [""; 0]);
    log.tell(vec![said(4), event(5, 0, 1, None), event(6, 0, 1, None)]);
    assert_eq!(log.before(&Topic::Wish(wish), None, 9).items.len(), 1);
    log.tell(vec![event(7, 0, 1, None)]);
    assert!(
        log.last(&Topic::Wish(wish), 9).is_empty()
            && log.last(&Topic::Task(CharterId([1; 32])), 9).len() == 3
    );
}

#[test]
fn what_is_forgotten_is_said_so() {
    let log = log(2);
    assert_eq!(log.len(), 2);
    let oldest = EventId { seq: 2, place: 1 };
    let after = EventId { seq: 1, place: 0 };
    assert_eq!(log.page(&Topic::All, after, 9), Err(Lost::Forgotten { after, oldest }));
    assert_eq!(ids(&log.page(&Topic::All, oldest, 9).unwrap()), ["5-0", "7-0"]);
    assert_eq!(ids(&log.page(&Topic::All, EventId::default(), 9).unwrap()), ["5-0", "7-0"]);
    assert_eq!(ids(&log.page(&Topic::Task(CharterId([1; 32])), oldest, 9).unwrap()), ["7-0"]);
    assert_eq!(ids(&log.page(&Topic::Task(CharterId([2; 32])), oldest, 9).unwrap()), [] as [&str; 0]);
    let after = EventId { seq: 7, place: 1 };
    assert_eq!(log.page(&Topic::All, after, 9), Err(Lost::Unknown { after, newest: log.newest() }));
}

#[test]
fn what_was_told_is_not_told_again() {
    let log = log(100);
    let mut watch = log.watch();
    watch.mark_unchanged();
    log.tell(vec![event(5, 0, 3, Some(1)), event(7, 0, 1, Some(1))]);
    assert_eq!((log.len(), watch.has_changed().unwrap()), (5, false));
    log.tell(vec![event(7, 0, 1, Some(1)), event(7, 1, 1, None)]);
    assert_eq!((log.len(), watch.has_changed().unwrap()), (6, true));
}

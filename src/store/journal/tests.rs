//! The journal under everything a disk, a power socket and a tamperer can do to it.

mod crashes;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitcoin::Network;
use bitcoin::hashes::{Hash, sha256};
use serde::{Deserialize, Serialize};

use super::sim::{Faults, SimFiles};
use super::*;
use crate::store::files::RealFiles;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Event {
    Counted { number: u64 },
    Said { text: String },
}

const BIRTH: Birth = Birth { network: Network::Regtest, instance: [7; 16], at_secs: 1_790_000_000 };

fn dir() -> &'static Path {
    Path::new("data")
}

fn open(files: &SimFiles) -> Result<Opened<Event>, OpenError> {
    FileJournal::open(dir(), Arc::new(files.clone()), BIRTH)
}

fn count(number: u64) -> Event {
    Event::Counted { number }
}

fn append(journal: &dyn Journal<Event>, events: &[Event]) -> Result<Appended, AppendError> {
    journal.append(journal.next_seq(), 1_790_000_001, events)?.wait()
}

fn journal_bytes(files: &SimFiles) -> Vec<u8> {
    files.bytes(&dir().join(JOURNAL_FILE))
}

fn put_journal(files: &SimFiles, bytes: &[u8]) {
    files.put(&dir().join(JOURNAL_FILE), bytes);
}

fn events(recorded: &[Recorded<Event>]) -> Vec<Event> {
    recorded.iter().map(|line| line.event.clone()).collect()
}

/// Three batches of 1, 2 and 3 events in six lines, each batch a write of its own; closed.
fn small() -> SimFiles {
    let files = SimFiles::default();
    let journal = open(&files).unwrap().journal;
    append(&journal, &[count(1)]).unwrap();
    append(&journal, &[count(2), Event::Said { text: "zwei \u{20bf}\n\"".into() }]).unwrap();
    append(&journal, &[count(4), count(5), count(6)]).unwrap();
    files
}

/// Start of each line.
fn line_starts(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).take_while(|start| *start < bytes.len()).collect()
}

fn corruption(opened: Result<Opened<Event>, OpenError>) -> Damage {
    match opened {
        Err(OpenError::Corrupt { damage }) => damage,
        other => panic!("expected corruption, got {other:?}"),
    }
}

#[test]
fn round_trip() {
    let files = SimFiles::default();
    let opened = open(&files).unwrap();
    assert!(opened.recovery.created && opened.recorded.is_empty());
    assert_eq!(opened.recovery.header.instance, "07".repeat(16));
    let said = Event::Said { text: "a\nb\u{202e}\u{0}".into() };
    let first = append(&opened.journal, &[count(u64::MAX)]).unwrap();
    let second = append(&opened.journal, &[said.clone(), count(0)]).unwrap();
    assert_eq!((first.first_seq, first.head.seq), (1, 1));
    assert_eq!((second.first_seq, second.head.seq), (2, 3));
    assert_eq!(opened.journal.next_seq(), 4);
    assert_eq!(events(&opened.journal.read_from(2).unwrap()), [said.clone(), count(0)]);
    drop(opened);

    let opened = open(&files).unwrap();
    let expected = |seq, more, event| Recorded { seq, at_secs: 1_790_000_001, more, event };
    let lines = [expected(1, false, count(u64::MAX)), expected(2, true, said), expected(3, false, count(0))];
    assert_eq!(opened.recorded, lines);
    assert_eq!(opened.recovery.head, second.head);
    assert!(!opened.recovery.created && opened.recovery.torn.is_none());
}

#[test]
fn lines_are_as_documented() {
    let bytes = journal_bytes(&small());
    let line = &bytes[line_starts(&bytes)[2]..line_starts(&bytes)[3] - 1];
    let (body, tail) = line.split_at(line.len() - 75);
    assert_eq!(tail, format!(",\"hash\":\"{}\"}}", sha256::Hash::hash(body)).as_bytes());
    let json: serde_json::Value = serde_json::from_slice(line).unwrap();
    assert_eq!(json["seq"], 2);
    assert_eq!(json["more"], true);
    assert_eq!(json["durable"], line_starts(&bytes)[2]);
    assert_eq!(json["event"]["counted"]["number"], 2);
    let before: serde_json::Value =
        serde_json::from_slice(&bytes[line_starts(&bytes)[1]..line_starts(&bytes)[2]]).unwrap();
    assert_eq!(json["prev"], before["hash"]);
}

#[test]
fn real_files_lock_and_verify_while_open() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("deep/data");
    let opened = FileJournal::<Event>::open(&data, Arc::new(RealFiles), BIRTH).unwrap();
    append(&opened.journal, &[count(1), count(2)]).unwrap();
    let second = FileJournal::<Event>::open(&data, Arc::new(RealFiles), BIRTH);
    assert!(matches!(second, Err(OpenError::InUse { dir }) if dir == data));
    let report = verify(&data, &RealFiles).unwrap();
    assert_eq!((report.lines, report.batches, report.head.seq, report.unfinished_bytes), (3, 1, 2, 0));
    assert_eq!(report.acknowledged_bytes, Some(report.bytes));
    assert_eq!(report.problem, None);
    drop(opened);
    let opened = FileJournal::<Event>::open(&data, Arc::new(RealFiles), BIRTH).unwrap();
    assert_eq!(events(&opened.recorded), [count(1), count(2)]);
    assert_eq!(opened.recovery.head, report.head);
}

#[tokio::test]
async fn tickets_are_futures_and_journals_are_objects() {
    let files = SimFiles::default();
    let journals: [Box<dyn Journal<Event>>; 2] =
        [Box::new(open(&files).unwrap().journal), Box::new(MemoryJournal::new())];
    for journal in &journals {
        let first = journal.append(1, 5, &[count(1)]).unwrap();
        let second = journal.append(2, 5, &[count(2), count(3)]).unwrap();
        assert_eq!(second.await.unwrap().head.seq, 3);
        assert_eq!(first.await.unwrap().first_seq, 1);
        assert!(matches!(journal.append(3, 5, &[]), Err(AppendError::Empty)));
        let stale = journal.append(3, 5, &[count(9)]).unwrap_err();
        assert_eq!(stale, AppendError::Stale { given: 3, next_seq: 4 });
        let read = journal.read_from(0).unwrap();
        assert_eq!(
            read.iter().map(|line| (line.seq, line.more)).collect::<Vec<_>>(),
            [(1, false), (2, true), (3, false)]
        );
    }
}

#[test]
fn an_event_that_cannot_be_read_back_is_refused() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Deep(Vec<Deep>);
    let deep = (0..200).fold(Deep(vec![]), |inner, _| Deep(vec![inner]));
    let journal = MemoryJournal::new();
    assert!(matches!(journal.append(1, 0, &[deep]), Err(AppendError::Encode { index: 0, .. })));
    let long = Event::Said { text: "x".repeat(MAX_LINE_BYTES) };
    let refused = journal.append(1, 0, &[count(1), long]);
    assert!(matches!(refused, Err(AppendError::TooLong { index: 1, .. })));
    assert_eq!(Journal::<Event>::next_seq(&journal), 1);
}

#[test]
fn every_flipped_bit_is_found_and_named() {
    let files = small();
    let good = journal_bytes(&files);
    let starts = line_starts(&good);
    assert_eq!(starts.len(), 7);
    for at in 0..good.len() {
        let line = starts.iter().rposition(|start| *start <= at).unwrap();
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            put_journal(&files, &bad);
            let problem = verify(dir(), &files).unwrap().problem.unwrap();
            let named = (problem.line, problem.offset);
            assert_eq!(named, (line as u64, starts[line] as u64), "byte {at} bit {bit}: {problem:?}");
            if bit == at % 8 {
                assert_eq!(corruption(open(&files)).line, line as u64);
                assert_eq!(journal_bytes(&files), bad, "a journal that is refused is not modified");
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_the_mark_loses_nothing() {
    let files = small();
    let path = dir().join(MARK_FILE);
    let good = files.bytes(&path);
    for at in (0..good.len()).filter(|at| good[*at] != 0) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        files.put(&path, &bad);
        assert_eq!(open(&files).unwrap().recorded.len(), 6);
    }
}

#[test]
fn a_shortened_journal_is_corrupt_unless_its_mark_is_taken_away() {
    let files = small();
    let good = journal_bytes(&files);
    let starts = line_starts(&good);
    // Lines 1 | 2 3 | 4 5 6 are the batches: where each byte's cut leaves us.
    let whole_until = |len: usize| {
        [6, 3, 1, 0].into_iter().find(|line| starts.get(line + 1).copied().unwrap_or(good.len()) <= len)
    };
    let mark = files.bytes(&dir().join(MARK_FILE));
    for len in 0..good.len() {
        files.put(&dir().join(MARK_FILE), &mark);
        put_journal(&files, &good[..len]);
        corruption(open(&files));
        assert!(verify(dir(), &files).unwrap().problem.is_some());

        files.remove(&dir().join(MARK_FILE));
        let Some(kept) = whole_until(len) else {
            assert_eq!(corruption(open(&files)).line, 0, "a header is no torn tail");
            continue;
        };
        let opened = open(&files).unwrap();
        assert_eq!(opened.recorded.len(), kept);
        let Some(torn) = opened.recovery.torn else {
            assert!(starts.contains(&len));
            continue;
        };
        assert_eq!(files.bytes(&torn.saved_as), &good[starts[kept + 1]..len]);
        assert_eq!((torn.seq, torn.offset), (kept as u64 + 1, starts[kept + 1] as u64));
        assert_eq!(torn.bytes, (len - starts[kept + 1]) as u64);
    }
}

#[test]
fn tampering_is_named() {
    let files = small();
    let good = journal_bytes(&files);
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let rehash = |line: &[u8]| {
        let text = String::from_utf8(line[..line.len() - 76].to_vec()).unwrap();
        let mut forged = text.replace("\"number\":", "\"number\":9").into_bytes();
        format::seal(&mut forged, 0);
        forged.push(b'\n');
        forged
    };
    let refused = |bytes: &[&[u8]]| {
        put_journal(&files, &bytes.concat());
        let damage = corruption(open(&files));
        let offset: usize =
            bytes.iter().take(usize::try_from(damage.line).unwrap()).map(|line| line.len()).sum();
        assert_eq!(damage.offset, offset as u64);
        (damage.line, damage.cause)
    };
    let [l0, l1, l2, l3, l4, l5, l6] = lines[..] else { panic!() };
    assert_eq!(refused(&[l0, l2, l3, l4, l5, l6]), (1, Cause::WrongSeq { found: 2 }));
    assert_eq!(refused(&[l0, l2, l1, l3, l4, l5, l6]), (1, Cause::WrongSeq { found: 2 }));
    assert_eq!(refused(&[l0, l1, l1, l2, l3, l4, l5, l6]), (2, Cause::WrongSeq { found: 1 }));
    assert!(matches!(refused(&[l0, &rehash(l1), l2, l3, l4, l5, l6]), (2, Cause::WrongPrev { .. })));
    assert!(matches!(
        refused(&[l0, l1, l2, l3, l4, l5, &rehash(l6)]),
        (6, Cause::NotTheMarked { seq: 6, .. })
    ));
    assert!(matches!(refused(&[l0, l1, l2, l3]), (4, Cause::Shortened { .. })));
    assert_eq!(refused(&[l0, l1, l2, l3, l4, l5]), (6, Cause::UnfinishedBatch { first_seq: 4 }));
    assert_eq!(refused(&[l0, l1, b"{}\n", l3, l4, l5, l6]), (2, Cause::BadForm));
    assert_eq!(refused(&[l1, l2]).0, 0);
    put_journal(&files, &good);
    assert_eq!(open(&files).unwrap().recorded.len(), 6);
}

#[test]
fn a_later_sync_proves_what_the_mark_does_not_say() {
    // A mark that lags, as after a power cut: it speaks of the header only.
    let files = SimFiles::default();
    drop(open(&files).unwrap());
    let old_mark = files.bytes(&dir().join(MARK_FILE));
    let opened = open(&files).unwrap();
    append(&opened.journal, &[count(1)]).unwrap();
    append(&opened.journal, &[count(2)]).unwrap();
    drop(opened);
    let good = journal_bytes(&files);
    let starts = line_starts(&good);

    files.put(&dir().join(MARK_FILE), &old_mark);
    let mut bad = good.clone();
    bad[starts[1] + 20] ^= 1;
    put_journal(&files, &bad);
    let damage = corruption(open(&files));
    assert_eq!((damage.line, damage.cause), (1, Cause::BadHash));

    // In the last write nothing tells it from a torn one; it is kept aside, and said.
    let mut bad = good.clone();
    bad[starts[2] + 20] ^= 1;
    put_journal(&files, &bad);
    let opened = open(&files).unwrap();
    assert_eq!(events(&opened.recorded), [count(1)]);
    let torn = opened.recovery.torn.unwrap();
    assert_eq!((torn.seq, torn.damage.cause), (2, Cause::BadHash));
    assert_eq!(files.bytes(&torn.saved_as), &bad[starts[2]..]);
}

#[test]
fn the_second_half_of_a_write_without_the_first_is_torn() {
    let files = SimFiles::default();
    let opened = open(&files).unwrap();
    append(&opened.journal, &[count(1)]).unwrap();
    let acknowledged = journal_bytes(&files).len();
    let mark = files.bytes(&dir().join(MARK_FILE));
    append(&opened.journal, &(0..40).map(count).collect::<Vec<_>>()).unwrap();
    drop(opened);
    files.put(&dir().join(MARK_FILE), &mark);
    let mut bytes = journal_bytes(&files);
    let reached = (acknowledged / 512 + 3) * 512;
    bytes[acknowledged..reached].fill(0);
    put_journal(&files, &bytes);

    let unfinished = verify(dir(), &files).unwrap();
    assert_eq!(unfinished.problem, None);
    assert_eq!(unfinished.unfinished_bytes, (bytes.len() - acknowledged) as u64);
    let opened = open(&files).unwrap();
    assert_eq!(events(&opened.recorded), [count(1)]);
    assert_eq!(opened.recovery.torn.as_ref().unwrap().offset, acknowledged as u64);
    append(&opened.journal, &[count(2)]).unwrap();
    drop(opened);
    assert_eq!(events(&open(&files).unwrap().recorded), [count(1), count(2)]);
}

#[test]
fn a_tail_longer_than_any_line_is_torn() {
    let files = small();
    let mut bytes = journal_bytes(&files);
    let end = bytes.len();
    bytes.resize(end + MAX_LINE_BYTES + 5, 0);
    put_journal(&files, &bytes);
    let torn = open(&files).unwrap().recovery.torn.unwrap();
    assert_eq!((torn.offset, torn.damage.cause), (end as u64, Cause::Overlong));
    assert_eq!(journal_bytes(&files).len(), end);
}

#[test]
fn what_another_version_wrote_is_never_cut_off() {
    let files = small();
    let newer = FileJournal::<serde_json::Value>::open(dir(), Arc::new(files.clone()), BIRTH).unwrap();
    let unknown = serde_json::json!({ "teleported": {} });
    newer.journal.append(7, 0, &[unknown]).unwrap().wait().unwrap();
    drop(newer);
    let damage = corruption(open(&files));
    assert!(matches!(damage, Damage { line: 7, cause: Cause::UnknownEvent { .. }, .. }));
    assert_eq!(verify(dir(), &files).unwrap().problem, None, "the file itself is sound");

    let header = "{\"seq\":0,\"prev\":\"".to_owned()
        + &"0".repeat(64)
        + "\",\"durable\":0,\"at_secs\":1,\"event\":{\"version\":2,\"shape\":\"new\"}";
    let mut bytes = header.into_bytes();
    format::seal(&mut bytes, 0);
    bytes.push(b'\n');
    put_journal(&files, &bytes);
    assert_eq!(corruption(open(&files)).cause, Cause::OtherVersion { found: 2 });
}

#[test]
fn another_network_and_a_missing_journal_are_refused() {
    let files = small();
    let birth = Birth { network: Network::Bitcoin, ..BIRTH };
    let opened = FileJournal::<Event>::open(dir(), Arc::new(files.clone()), birth);
    assert!(matches!(
        opened,
        Err(OpenError::OtherNetwork { expected: Network::Bitcoin, found: Network::Regtest })
    ));
    files.remove(&dir().join(JOURNAL_FILE));
    assert!(matches!(open(&files), Err(OpenError::Missing { last_seq: 6, .. })));
    assert!(matches!(verify(dir(), &files), Err(OpenError::Missing { last_seq: 6, .. })));
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let files = small();
    let opened = open(&files).unwrap();
    let before = journal_bytes(&files);
    for room in [0, 1, 100, 400, 700] {
        files.set(Faults { room_bytes: Some(room), ..Faults::default() });
        let refused = append(&opened.journal, &[count(7), count(8), count(9)]).unwrap_err();
        assert!(matches!(refused, AppendError::NoSpace { .. }), "{refused:?}");
        assert_eq!(journal_bytes(&files), before);
        assert_eq!(opened.journal.next_seq(), 7);
        assert_eq!(opened.journal.read_from(1).unwrap().len(), 6, "reads go on");
    }
    files.set(Faults { short_write: Some(13), ..Faults::default() });
    append(&opened.journal, &[count(7)]).unwrap();
    drop(opened);
    let opened = open(&files).unwrap();
    assert_eq!(events(&opened.recorded).last(), Some(&count(7)));
    assert_eq!(opened.recovery.torn, None);
}

#[test]
fn what_was_decided_on_a_refused_append_is_refused_too() {
    let files = small();
    let opened = open(&files).unwrap();
    // The first sync is slow, so that the others queue up behind it, and then the disk is full.
    files.set(Faults { sync_takes: Duration::from_millis(60), room_bytes: Some(400), ..Faults::default() });
    let fits = opened.journal.append(7, 0, &[count(7)]).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let tickets: Vec<Ticket> =
        (8..12).map(|seq| opened.journal.append(seq, 0, &[count(seq)]).unwrap()).collect();
    assert_eq!(fits.wait().unwrap().head.seq, 7);
    for ticket in tickets {
        assert!(matches!(ticket.wait(), Err(AppendError::NoSpace { .. } | AppendError::Stale { .. })));
    }
    files.set(Faults::default());
    let stale = opened.journal.append(12, 0, &[count(12)]).unwrap_err();
    assert_eq!(stale, AppendError::Stale { given: 12, next_seq: 8 });
    assert_eq!(append(&opened.journal, &[count(8)]).unwrap().head.seq, 8);
}

#[test]
fn a_full_disk_that_cannot_be_cleaned_poisons() {
    let files = small();
    let opened = open(&files).unwrap();
    files.set(Faults { room_bytes: Some(100), cut_fails: true, ..Faults::default() });
    let lost = append(&opened.journal, &[count(7)]).unwrap_err();
    assert!(matches!(lost, AppendError::WriteFailed { .. }), "{lost:?}");
    files.set(Faults::default());
    assert!(matches!(append(&opened.journal, &[count(7)]), Err(AppendError::Poisoned { .. })));
    drop(opened);
    assert_eq!(open(&files).unwrap().recorded.len(), 6);
}

#[test]
fn a_failed_sync_poisons_at_once_and_is_not_retried() {
    let files = small();
    let opened = open(&files).unwrap();
    files.set(Faults { sync_fails: true, ..Faults::default() });
    let syncs = files.syncs();
    let lost = append(&opened.journal, &[count(7)]).unwrap_err();
    assert_eq!(lost, AppendError::SyncFailed { detail: "the disk said no".into() });
    files.set(Faults::default());
    for _ in 0..3 {
        assert!(matches!(append(&opened.journal, &[count(8)]), Err(AppendError::Poisoned { .. })));
    }
    std::thread::sleep(MARK_IDLE * 2);
    drop(opened);
    assert_eq!(files.syncs(), syncs + 1, "nothing is synced after a sync failed, the mark neither");
    // Unknown until the restart; whatever is found then is made durable before it counts.
    let kept = open(&files).unwrap().recorded.len();
    assert_eq!(kept, 7, "the page cache still has it");
    files.power_cut(3);
    assert_eq!(open(&files).unwrap().recorded.len(), kept);
}

#[test]
fn concurrent_appends_share_syncs() {
    let files = SimFiles::default();
    let opened = open(&files).unwrap();
    files.set(Faults { sync_takes: Duration::from_millis(5), ..Faults::default() });
    let before = files.syncs();
    let (threads, each) = (16, 10);
    let decide = Mutex::new(&opened.journal);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..each {
                    let ticket = {
                        let journal = decide.lock().unwrap();
                        journal.append(journal.next_seq(), 0, &[count(journal.next_seq())]).unwrap()
                    };
                    ticket.wait().unwrap();
                }
            });
        }
    });
    let syncs = files.syncs() - before;
    assert!(syncs <= threads * each / 4, "{syncs} syncs for {} appends", threads * each);
    drop(opened);
    let recorded = open(&files).unwrap().recorded;
    assert_eq!(recorded.len() as u64, threads * each);
    assert!(recorded.iter().all(|line| line.event == count(line.seq)), "numbers in the order of calls");
}

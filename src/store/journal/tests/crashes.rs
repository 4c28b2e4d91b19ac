//! Random batches, random crashes, random damage: nothing acknowledged is lost, nothing half is kept.

use proptest::prelude::*;

use super::super::sim::{Faults, SimFiles};
use super::super::*;
use super::{Event, append, corruption, count, dir, events, journal_bytes, open, put_journal};

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![any::<u64>().prop_map(count), ".{0,700}".prop_map(|text| Event::Said { text })]
}

fn any_batches() -> impl Strategy<Value = Vec<Vec<Event>>> {
    prop::collection::vec(prop::collection::vec(any_event(), 1..5), 1..8)
}

/// Appends in groups of `group` until something fails; returns how many batches were acknowledged.
fn run(journal: &dyn Journal<Event>, batches: &[Vec<Event>], group: usize) -> usize {
    let mut acknowledged = 0;
    for group in batches.chunks(group) {
        let tickets: Vec<Result<Ticket, AppendError>> =
            group.iter().map(|batch| journal.append(journal.next_seq(), 0, batch)).collect();
        for ticket in tickets {
            let Ok(Ok(_)) = ticket.map(Ticket::wait) else { return acknowledged };
            acknowledged += 1;
        }
    }
    acknowledged
}

/// What must hold after any crash: whole batches, a prefix of what was tried, all that was
/// acknowledged; and the journal goes on.
fn check_recovered(files: &SimFiles, tried: &[Vec<Event>], acknowledged: usize) -> Result<(), TestCaseError> {
    let report = verify(dir(), files);
    let opened = open(files).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    let found = events(&opened.recorded);
    let kept = (acknowledged..=tried.len()).find(|kept| tried[..*kept].concat() == found);
    prop_assert!(kept.is_some(), "{} events of {acknowledged} batches: {found:?}", found.len());
    if let Ok(report) = report {
        prop_assert_eq!(report.problem, None);
        prop_assert_eq!(report.head, opened.recovery.head);
    }
    append(&opened.journal, &[count(1)]).map_err(|error| TestCaseError::fail(error.to_string()))?;
    drop(opened);
    let opened = open(files).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    prop_assert_eq!(opened.recorded.len(), found.len() + 1);
    prop_assert_eq!(opened.recovery.torn, None);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// The process dies at any operation that changes the disk, from creation to closing; then the
    /// power may go as well, and then it may die again while recovering.
    #[test]
    fn any_crash_loses_nothing_acknowledged(
        batches in any_batches(),
        group in 1_usize..5,
        crash_at in 0_u64..60,
        short_write in prop::option::of(1_usize..600),
        power in prop::option::of(any::<u64>()),
        crash_again in prop::option::of((0_u64..20, any::<u64>())),
    ) {
        let files = SimFiles::default();
        files.set(Faults { crash_at: Some(crash_at), short_write, ..Faults::default() });
        let acknowledged = open(&files).map_or(0, |opened| run(&opened.journal, &batches, group));
        if let Some(seed) = power {
            files.power_cut(seed);
        }
        if let Some((after, seed)) = crash_again {
            files.set(Faults { crash_at: Some(files.operations() + after), ..Faults::default() });
            drop(open(&files));
            files.power_cut(seed);
        }
        files.set(Faults::default());
        check_recovered(&files, &batches, acknowledged)?;
    }

    /// The write is cut at any byte, before anything of it was acknowledged.
    #[test]
    fn a_write_cut_at_any_byte_leaves_whole_batches(batches in any_batches(), cut in any::<prop::sample::Index>()) {
        let files = SimFiles::default();
        let opened = open(&files).unwrap();
        let mark = files.bytes(&dir().join(MARK_FILE));
        let from = journal_bytes(&files).len();
        prop_assert_eq!(run(&opened.journal, &batches, 100), batches.len());
        drop(opened);
        let bytes = journal_bytes(&files);
        put_journal(&files, &bytes[..from + cut.index(bytes.len() - from + 1)]);
        files.put(&dir().join(MARK_FILE), &mark);
        check_recovered(&files, &batches, 0)?;
    }

    /// Damage of any kind to what was acknowledged, found on opening, with nothing modified.
    #[test]
    fn no_damage_to_acknowledged_bytes_passes(
        batches in any_batches(),
        at in any::<prop::sample::Index>(),
        patch in prop::collection::vec(any::<u8>(), 1..600),
    ) {
        let files = SimFiles::default();
        let opened = open(&files).unwrap();
        prop_assert_eq!(run(&opened.journal, &batches, 3), batches.len());
        drop(opened);
        let good = journal_bytes(&files);
        let mut bad = good.clone();
        let at = at.index(bad.len());
        for (byte, patch) in bad[at..].iter_mut().zip(&patch) {
            *byte = *patch;
        }
        prop_assume!(bad != good);
        put_journal(&files, &bad);
        let damage = corruption(open(&files));
        prop_assert!(damage.offset <= at as u64 + 600);
        prop_assert_eq!(journal_bytes(&files), bad);
        prop_assert!(files.names().iter().all(|name| !name.to_string_lossy().contains("torn")));
    }
}

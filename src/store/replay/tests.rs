//! Used once, whatever happens to process, disk and clock in between.

use super::*;
use crate::store::journal::sim::{Faults, SimFiles};
use futures::executor::block_on;
use std::time::Duration;

fn open(files: &SimFiles) -> ReplayCache {
    ReplayCache::open(Path::new("/data"), Arc::new(files.clone())).unwrap()
}

fn id(number: u64) -> [u8; 32] {
    *sha256::Hash::hash(&number.to_be_bytes()).as_byte_array()
}

fn claim(cache: &ReplayCache, number: u64, at: u64) -> Result<(), ReplayError> {
    block_on(cache.claim(id(number), at, at))
}

#[test]
fn each_id_once_also_after_a_restart() {
    let files = SimFiles::default();
    let cache = open(&files);
    assert_eq!(claim(&cache, 1, 1_000), Ok(()));
    assert_eq!(claim(&cache, 1, 1_000), Err(ReplayError::Used));
    assert_eq!(claim(&cache, 2, 1_000), Ok(()));
    drop(cache);
    let cache = open(&files);
    for number in [1, 2] {
        assert_eq!(claim(&cache, number, 1_000), Err(ReplayError::Used));
    }
    assert_eq!(claim(&cache, 3, 1_000), Ok(()));
}

/// A thousand claims of one id at once: one succeeds; and those that wait together share a sync.
#[test]
fn one_of_many_at_once_wins_and_waiters_share_a_sync() {
    let files = SimFiles::default();
    let cache = open(&files);
    files.set(Faults { sync_takes: Duration::from_millis(5), ..Faults::default() });
    let before = files.syncs();
    let equal = (0..1_000).map(|_| cache.claim(id(1), 1_000, 1_000));
    let won = block_on(futures::future::join_all(equal)).into_iter().filter(Result::is_ok).count();
    assert_eq!(won, 1);
    let many = (2..1_002).map(|number| cache.claim(id(number), 1_000, 1_000));
    assert!(block_on(futures::future::join_all(many)).iter().all(Result::is_ok));
    let syncs = files.syncs() - before;
    assert!(syncs < 100, "{syncs} syncs for a thousand claims");
}

/// The process dies at every single operation, with and without power: no id that was answered with yes is
/// accepted again.
#[test]
fn no_crash_forgets_a_used_id() {
    let mut seen_torn = false;
    for crash_at in 0..120 {
        for seed in 0..6 {
            let files = SimFiles::default();
            files.set(Faults { crash_at: Some(crash_at), ..Faults::default() });
            let mut used = Vec::new();
            if let Ok(cache) = ReplayCache::open(Path::new("/data"), Arc::new(files.clone())) {
                for number in 0..40 {
                    // Minutes pass, so that the files take turns.
                    let at = 1_000 + number * 45;
                    if claim(&cache, number, at).is_ok() {
                        used.push((number, at));
                    }
                }
            }
            files.set(Faults::default());
            if seed > 0 {
                files.power_cut(seed * 7_919 + crash_at);
            }
            let torn = |name: &&str| files.bytes(&Path::new("/data").join(name)).len() % RECORD_BYTES > 0;
            seen_torn |= NAMES.iter().any(torn);
            let cache = open(&files);
            let now = used.last().map_or(1_000, |(_, at)| *at);
            for (number, at) in used.iter().filter(|(_, at)| at + 60 >= now) {
                let again = block_on(cache.claim(id(*number), *at, now));
                assert!(
                    matches!(again, Err(ReplayError::Used | ReplayError::Forgotten { .. })),
                    "crash at {crash_at}, seed {seed}: {number} was accepted twice"
                );
            }
            // And it goes on working.
            assert_eq!(claim(&cache, 1_000, now + 200), Ok(()), "crash at {crash_at}, seed {seed}");
        }
    }
    assert!(seen_torn, "torn tails were among it");
}

/// A clock that jumps back finds no old event acceptable, though its id was forgotten.
#[test]
fn what_is_forgotten_is_refused_for_good() {
    let files = SimFiles::default();
    let cache = open(&files);
    for number in 0..100 {
        assert_eq!(claim(&cache, number, 1_000 + number * 30), Ok(()));
    }
    let bytes: usize = NAMES.iter().map(|name| files.bytes(&Path::new("/data").join(name)).len()).sum();
    assert!(bytes < 30 * RECORD_BYTES, "old ids leave the disk: {bytes} bytes");
    drop(cache);
    let cache = open(&files);
    for number in 0..100 {
        let again = claim(&cache, number, 1_000 + number * 30);
        assert!(
            matches!(again, Err(ReplayError::Used | ReplayError::Forgotten { .. })),
            "{number}: {again:?}"
        );
    }
}

#[test]
fn a_full_disk_is_told_and_waited_out() {
    let files = SimFiles::default();
    let cache = open(&files);
    assert_eq!(claim(&cache, 1, 1_000), Ok(()));
    files.set(Faults { room_bytes: Some(10), ..Faults::default() });
    assert_eq!(claim(&cache, 2, 1_000), Err(ReplayError::NoSpace));
    files.set(Faults::default());
    assert_eq!(claim(&cache, 2, 1_000), Ok(()));
    drop(cache);
    let cache = open(&files);
    for number in [1, 2] {
        assert_eq!(claim(&cache, number, 1_000), Err(ReplayError::Used));
    }
}

#[test]
fn after_a_failed_sync_nothing_is_accepted_until_the_next_start() {
    let files = SimFiles::default();
    let cache = open(&files);
    files.set(Faults { sync_fails: true, ..Faults::default() });
    assert!(matches!(claim(&cache, 1, 1_000), Err(ReplayError::Failed { .. })));
    files.set(Faults::default());
    assert!(matches!(claim(&cache, 2, 1_000), Err(ReplayError::Failed { .. })), "no silent retry");
    drop(cache);
    assert_eq!(claim(&open(&files), 2, 1_000), Ok(()));
}

/// A flipped bit in the middle: what cannot be read may have been any id, so everything up to then is refused.
#[test]
fn damage_refuses_what_it_may_have_hidden() {
    let files = SimFiles::default();
    let cache = open(&files);
    for number in 0..5 {
        assert_eq!(claim(&cache, number, 1_000 + number), Ok(()));
    }
    drop(cache);
    let path = Path::new("/data").join(NAMES[0]);
    let mut bytes = files.bytes(&path);
    bytes[RECORD_BYTES + 3] ^= 1;
    files.put(&path, &bytes);
    let cache = open(&files);
    for number in 0..5 {
        assert!(claim(&cache, number, 1_000 + number).is_err());
    }
    assert_eq!(claim(&cache, 9, 1_005), Ok(()));
}

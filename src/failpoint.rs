//! Places where a test can make the process die as by `kill -9`, to see that nothing is lost. In release
//! builds they do nothing.
//!
//! `UPFRONT_FAILPOINT=name` aborts at the first pass of that place, `name:3` at the third.

/// Dies here if a test asked for it.
#[cfg(debug_assertions)]
pub fn hit(name: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static PASSES: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("UPFRONT_FAILPOINT") else { return };
    let (place, pass) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if place == name && PASSES.fetch_add(1, Ordering::SeqCst) + 1 == pass.parse().unwrap_or(1) {
        tracing::warn!(failpoint = name, "aborting, as a test asked for");
        std::process::abort();
    }
}

/// Does nothing: fail points are for tests.
#[cfg(not(debug_assertions))]
pub fn hit(_name: &str) {}

//! Updates on their way out. A reader that is slow gets the newest state, not a queue of old ones:
//! snapshots that nobody has taken yet are merged, and a reason already told is not told twice.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::chain::ChainUpdate;

#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<ChainUpdate>,
    /// The last that was pushed, unless it was a snapshot.
    last: Option<ChainUpdate>,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, update: ChainUpdate) {
        let mut state = self.lock();
        if state.last.as_ref() == Some(&update) {
            return;
        }
        match (state.queue.back_mut(), update) {
            (
                Some(ChainUpdate::Snapshot { tip, views }),
                ChainUpdate::Snapshot { tip: newer_tip, views: newer_views },
            ) => {
                // Views of the older one still hold under the newer tip: what a reorg undid was read
                // again before that tip was published.
                let mut merged: BTreeMap<_, _> = views.drain(..).collect();
                merged.extend(newer_views);
                *tip = newer_tip;
                *views = merged.into_iter().collect();
            }
            (_, update) => {
                state.last = match &update {
                    ChainUpdate::Snapshot { .. } => None,
                    other => Some(other.clone()),
                };
                state.queue.push_back(update);
            }
        }
        self.filled.notify_one();
    }

    /// Passes updates on, each when there is room for it, until the receiver is dropped.
    pub(super) fn forward(
        self: &Arc<Self>,
        updates: mpsc::Sender<ChainUpdate>,
    ) -> impl Future<Output = ()> + use<> {
        let outbox = Arc::clone(self);
        async move {
            loop {
                let filled = outbox.filled.notified();
                if outbox.lock().queue.is_empty() {
                    filled.await;
                    continue;
                }
                let Ok(room) = updates.reserve().await else { return };
                if let Some(update) = outbox.lock().queue.pop_front() {
                    room.send(update);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::facts::{ScriptView, Tip};
    use bitcoin::hashes::Hash;
    use bitcoin::{BlockHash, ScriptBuf};

    fn snapshot(height: u32, scripts: &[u8]) -> ChainUpdate {
        let tip = Tip { height, hash: BlockHash::all_zeros(), mtp_secs: 0 };
        let views = scripts.iter().map(|b| (ScriptBuf::from_bytes(vec![*b]), ScriptView::default()));
        ChainUpdate::Snapshot { tip, views: views.collect() }
    }

    #[tokio::test]
    async fn snapshots_merge_and_reasons_are_told_once() {
        let outbox = Arc::new(Outbox::default());
        let gone = |reason: &str| ChainUpdate::Disconnected { server: "s".into(), reason: reason.into() };
        for update in [gone("a"), gone("a"), gone("b"), snapshot(1, &[1, 2]), snapshot(2, &[2, 3]), gone("b")]
        {
            outbox.push(update);
        }
        let (sender, mut receiver) = mpsc::channel(1);
        let task = tokio::spawn(outbox.forward(sender));
        for expected in [gone("a"), gone("b"), snapshot(2, &[1, 2, 3]), gone("b")] {
            assert_eq!(receiver.recv().await, Some(expected));
        }
        drop(receiver);
        outbox.push(gone("c"));
        task.await.unwrap();
    }
}

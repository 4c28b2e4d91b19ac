//! Addresses that a client has asked for and not paid. Each holds back its amount under the task's cap for a
//! while, so one client may hold only a few of a task. Forgotten at a restart, as the reservations soon are.

use super::ApiError;
use super::clients::Client;
use crate::escrow::statement::CharterId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Holders remembered; beyond it those that hold nothing any more are looked for.
const MAX_HOLDERS: usize = 50_000;

type Holder = (Client, CharterId);

/// Which indexes who holds.
#[derive(Default)]
pub struct Unpaid {
    held: Mutex<HashMap<Holder, Vec<u32>>>,
}

impl Unpaid {
    fn lock(&self) -> MutexGuard<'_, HashMap<Holder, Vec<u32>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for one more, before it is issued. `waiting` says of an index whether it still holds
    /// back money that nobody has paid.
    ///
    /// # Errors
    /// `too_many_unpaid`.
    pub fn take(
        &self,
        client: Client,
        charter: CharterId,
        index: u32,
        max: usize,
        waiting: impl Fn(&CharterId, u32) -> bool,
    ) -> Result<(), ApiError> {
        let mut held = self.lock();
        if held.len() >= MAX_HOLDERS {
            held.retain(|(_, of), indexes| indexes.iter().any(|index| waiting(of, *index)));
        }
        let indexes = held.entry((client, charter)).or_default();
        // The same again changes nothing.
        if indexes.contains(&index) {
            return Ok(());
        }
        indexes.retain(|index| waiting(&charter, *index));
        if indexes.len() >= max {
            let detail = format!("{max} addresses of this task wait for your payment already");
            return Err(ApiError::new("too_many_unpaid", detail).retry_after(60));
        }
        indexes.push(index);
        Ok(())
    }

    /// Gives a place back: nothing was issued.
    pub fn give_back(&self, client: Client, charter: CharterId, index: u32) {
        let mut held = self.lock();
        if let Some(indexes) = held.get_mut(&(client, charter)) {
            indexes.retain(|held| *held != index);
            if indexes.is_empty() {
                held.remove(&(client, charter));
            }
        }
    }
}

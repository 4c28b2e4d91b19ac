//! What the chain says of a script, as events: the difference between what is recorded and the view.
//! A view that says nothing new gives no event; a reorg or a replacement is just another view.

use super::Task;
use crate::escrow::descriptor::Slot;
use crate::escrow::event::Event;
use crate::escrow::facts::{Deposit, ScriptView};
use bitcoin::{Amount, OutPoint};
use std::collections::BTreeMap;

impl Task {
    /// The events that lead from what is recorded of `slot` to `view`, the whole truth about its script.
    pub fn observe(&self, slot: Slot, view: &ScriptView) -> Vec<Event> {
        let mut events = Vec::new();
        // Of unconfirmed transactions a server can make up what it likes; more than 21 million BTC is none.
        let deposits: BTreeMap<OutPoint, &Deposit> = view
            .deposits
            .iter()
            .filter(|deposit| deposit.amount <= Amount::MAX_MONEY)
            .map(|deposit| (deposit.outpoint, deposit))
            .collect();

        let recorded = || self.outpoints.values().filter(|held| held.slot == slot);
        for held in recorded().filter(|held| held.present && !deposits.contains_key(&held.outpoint)) {
            events.push(Event::OutpointVanished { outpoint: held.outpoint });
        }
        for deposit in deposits.values() {
            match self.outpoints.get(&deposit.outpoint).filter(|held| held.present) {
                None => events.push(Event::OutpointSeen {
                    slot,
                    outpoint: deposit.outpoint,
                    amount: deposit.amount,
                    coinbase: deposit.coinbase,
                    confirmation: deposit.confirmation,
                }),
                Some(held) if held.confirmation == deposit.confirmation => {}
                Some(held) => events.push(match deposit.confirmation {
                    Some(confirmation) => Event::OutpointConfirmed { outpoint: held.outpoint, confirmation },
                    None => Event::OutpointUnconfirmed { outpoint: held.outpoint },
                }),
            }
        }
        // A server may list two conflicting spends for a moment; the mined one wins, else the last named.
        let mut spends = BTreeMap::new();
        for spend in view.spends.iter().filter(|spend| deposits.contains_key(&spend.prevout)) {
            let entry = spends.entry(spend.prevout).or_insert(spend);
            if entry.confirmation.is_none() {
                *entry = spend;
            }
        }
        for (prevout, deposit) in &deposits {
            let held = self.outpoints.get(prevout).filter(|held| held.present);
            let known = held.and_then(|held| held.spend);
            match (known, spends.get(&deposit.outpoint)) {
                (known, Some(spend)) if known != Some(**spend) => {
                    events.push(Event::OutpointSpent { spend: **spend });
                }
                (Some(_), None) => events.push(Event::OutpointUnspent { outpoint: deposit.outpoint }),
                _ => {}
            }
        }
        events
    }
}

//! The life of a task, from commands and chain facts to money at the payees or back with the sponsors,
//! wholly on the chain in memory.

mod arrivals;
mod attacks;
mod audit;
mod cases;
mod confirm;
mod edges;
mod evidence;
mod faults;
mod journeys;
mod late;
mod may;
mod milestones;
mod missed;
mod raised;
pub(in crate::escrow) mod random;
mod refusals;
mod silent;
mod table;
mod times;
mod watched;

use crate::escrow::charter::CharterFields;
use crate::escrow::consensus::verify_input;
use crate::escrow::testing::World;
use bitcoin::Amount;

/// A world whose chain checks every witness with Bitcoin Core's verifier.
fn verified(change: impl FnOnce(&mut CharterFields)) -> World {
    let mut world = World::new(change);
    world.chain.verify_with(|transaction, input, prevouts| verify_input(transaction, prevouts, input));
    world
}

const fn sat(sat: u64) -> Amount {
    Amount::from_sat(sat)
}

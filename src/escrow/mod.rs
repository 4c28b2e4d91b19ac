//! The pure core: contract, refunds, settlement, ballot and the life of a task.
//!
//! No I/O, no clock, no randomness, no async, no logging: time, tip and keys come in as arguments.

pub mod ballot;
pub mod bip322;
#[cfg(test)]
mod bips;
pub mod book;
pub mod charter;
#[cfg(test)]
pub(crate) mod consensus;
pub mod descriptor;
pub mod due;
pub mod event;
pub mod facts;
pub mod fee;
pub(crate) mod id;
pub mod keys;
pub mod merkle;
pub mod musig;
pub mod network;
pub mod pledge;
pub mod project;
pub mod proof;
pub mod public;
pub mod recovery;
pub mod refund;
pub mod retire;
pub mod settlement;
pub mod signature;
pub mod statement;
pub mod task;
#[doc(hidden)]
pub mod testing;
pub mod wish;

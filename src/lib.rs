//! Upfront: a Bitcoin-native escrow for paying for open-source work before it is written. Nobody holds the
//! money: two of three signers can move it, after T its sponsor can take it back.
//!
//! # The map
//!
//! - `escrow`: the pure core. Charter, addresses, refunds, votes, settlements, the life of a task as a fold
//!   of events. No I/O, clock or randomness; all there is without the `service` feature.
//! - `chain`: what Electrum servers say, and what of it is proved.
//! - `store`: the journal (the truth) and the index (a cache).
//! - `service`: decide, journal, acknowledge; the scheduler does what is due.
//! - `serve`, `config`, `watcher`: the service put together.
//! - `web`: the HTTP API. `verify`: a task against a chain, trusting the service for nothing.
//! - `cli`, `client`: the commands, and how they ask a service. `draft`: from a person's draft to a charter's fields.
//! - `nip98`: requests signed by an identity, made and checked. `webhooks`: public events posted elsewhere.
//! - `keys`: phrases and keys of people. `wallet`: the operator's fee wallet.
//! - `metrics`: what is counted. `failpoint`: where a test can make the process die.
//!
//! Imports run one way, towards `escrow`.
//!
//! # The way of the data
//!
//! A command becomes events: [`escrow::book::Book::decide`] checks it against state and tip,
//! [`escrow::book::Book::apply`] folds what it leads to, the journal keeps it, and only then is it
//! answered. What the chain says takes the same way through [`escrow::book::Book::observe`]. What is to be
//! done follows from the book alone: [`escrow::due::due`].
//!
//! The rules are in `docs/PROTOCOL.md`, the house in `docs/ARCHITECTURE.md`.

#[cfg(feature = "service")]
pub mod chain;
#[cfg(feature = "service")]
pub mod cli;
#[cfg(feature = "service")]
pub mod client;
#[cfg(feature = "service")]
pub mod config;
#[cfg(feature = "service")]
pub mod draft;
pub mod escrow;
#[cfg(feature = "service")]
pub mod failpoint;
#[cfg(feature = "service")]
pub mod keys;
#[cfg(feature = "service")]
pub mod metrics;
#[cfg(feature = "service")]
pub mod nip98;
#[cfg(test)]
#[cfg(feature = "service")]
mod regtest;
#[cfg(feature = "service")]
pub mod serve;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "service")]
pub mod store;
#[cfg(feature = "service")]
pub mod verify;
#[cfg(feature = "service")]
pub mod wallet;
#[cfg(feature = "service")]
pub mod watcher;
#[cfg(feature = "service")]
pub mod web;
#[cfg(feature = "service")]
pub mod webhooks;

//! Upfront: a Bitcoin-native escrow for paying for open-source work before it is written.

#[cfg(feature = "service")]
pub mod chain;
#[cfg(feature = "service")]
pub mod config;
pub mod escrow;
#[cfg(feature = "service")]
pub mod failpoint;
#[cfg(feature = "service")]
pub mod keys;
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

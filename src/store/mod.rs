//! What is written down: the journal (the truth) and the index (a cache of it). Nothing here knows
//! what an event means; rules live in the core, and nothing here reads a clock or makes randomness.

pub mod files;
pub mod index;
pub mod journal;
pub mod replay;

//! The one integration binary: everything here goes through the crate's public interface, as a stranger
//! would. One file a subject; linking once keeps the test command short.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod harness;
mod journeys;
mod node_vectors;
mod packaging;
mod vectors;

//! Whole lives of a task on a real chain, one file a journey.

mod payout;
mod refund;
mod reorg;

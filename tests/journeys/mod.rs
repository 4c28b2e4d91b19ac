//! Whole lives of a task on a real chain, one file a journey.

mod core_wallet;
mod crash;
mod errors;
mod operator;
mod liars;
mod payout;
mod refund;
mod reorg;
mod wallets;

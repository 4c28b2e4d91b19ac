//! Whole lives of a task on a real chain, one file a journey.

mod core_wallet;
mod crash;
mod deciding;
mod errors;
mod fee_signer;
mod key_files;
mod late_move;
mod liars;
mod listening;
mod log;
mod milestones;
mod operator;
mod payout;
mod refund;
mod reorg;
mod settled;
mod wallets;
mod webhooks;
mod wires;

//! The Electrum servers as they stand, and what the operator should look at.

use super::mirrored;
use super::scalar::*;
use crate::chain;
use utoipa::ToSchema;

mirrored! {
    chain::ServerStatus => ServerStatus,
    chain::ChainAlarm => ChainAlarm,
}

/// One configured server.
#[derive(ToSchema)]
#[allow(dead_code)]
struct ServerStatus {
    /// Its address, `tcp://host:port` or `ssl://host:port`; never a secret.
    address: String,
    /// Whether it is used.
    #[serde(flatten)]
    state: ServerState,
    /// The tip it announced last; absent before the first contact.
    #[schema(required)]
    tip: Option<ServerTip>,
    /// Whether that tip is the best block we know.
    at_best_tip: bool,
    /// Whether scripts are watched on it.
    watches: bool,
    /// Scripts subscribed to on it.
    #[schema(value_type = Count)]
    subscriptions: usize,
    /// Seconds since it answered anything; absent if it never did.
    #[schema(required, value_type = Option<LongSeconds>)]
    last_answer_age_secs: Option<u64>,
}

/// How a server stands with us.
#[derive(ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
#[allow(dead_code)]
enum ServerState {
    /// Not there (yet); tried again and again.
    Connecting {
        /// Why the last try or connection ended; absent before that.
        #[schema(required)]
        reason: Option<String>,
    },
    /// It answers, and its headers are valid.
    Connected,
    /// It broke a rule: not asked again before `until_secs`.
    Dropped {
        /// Unix seconds.
        #[schema(value_type = ClockSeconds)]
        until_secs: u64,
        /// What it did.
        reason: String,
    },
}

/// The tip a server announced.
#[derive(ToSchema)]
#[allow(dead_code)]
struct ServerTip {
    /// Height of the block.
    #[schema(value_type = Height)]
    height: u32,
    /// Its hash.
    #[schema(value_type = BlockId)]
    hash: String,
}

/// Something the operator should look at.
#[derive(ToSchema)]
#[serde(tag = "alarm", rename_all = "snake_case")]
#[allow(dead_code)]
enum ChainAlarm {
    /// No server is connected: the chain is not followed.
    NoServer,
    /// Several are configured and only one of them is connected: nobody is there to contradict it.
    OneServer {
        /// It.
        address: String,
    },
    /// Servers are connected, and none of them is on the chain with most work: facts stand still.
    NobodyAtBestTip {
        /// Height of the best block known.
        #[schema(value_type = Height)]
        height: u32,
    },
    /// A server follows another chain, valid but with less work (or as much), for longer than lag explains.
    Disagreement {
        /// It.
        address: String,
        /// Height of its tip.
        #[schema(value_type = Height)]
        height: u32,
        /// Hash of its tip.
        #[schema(value_type = BlockId)]
        hash: String,
        /// Since when, Unix seconds.
        #[schema(value_type = ClockSeconds)]
        since_secs: u64,
    },
    /// A server broke a rule and is not asked for a time.
    ServerDropped {
        /// It.
        address: String,
        /// What it did.
        reason: String,
        /// Unix seconds.
        #[schema(value_type = ClockSeconds)]
        until_secs: u64,
    },
    /// No block came for so long that the servers may be keeping them from us.
    TipStale {
        /// Height of the best block known.
        #[schema(value_type = Height)]
        height: u32,
        /// Seconds since its header's time.
        #[schema(value_type = LongSeconds)]
        age_secs: u64,
    },
    /// The best block's time is far ahead of this machine's clock: one of the two is wrong.
    ClockSkew {
        /// By how many seconds.
        #[schema(value_type = LongSeconds)]
        ahead_secs: u64,
    },
    /// The chain was reorganised deeper than is ordinary, within the last day.
    LongReorg {
        /// Blocks that were undone.
        #[schema(value_type = Count)]
        depth: u32,
        /// The highest block that both branches share.
        #[schema(value_type = Height)]
        fork_height: u32,
        /// When we saw it, Unix seconds.
        #[schema(value_type = ClockSeconds)]
        at_secs: u64,
    },
    /// A server takes no more subscriptions, and no other takes the rest: those scripts are looked at in
    /// turns only.
    SubscriptionsRefused {
        /// It.
        address: String,
        /// Scripts that it does not watch.
        #[schema(value_type = Count)]
        scripts: usize,
    },
}

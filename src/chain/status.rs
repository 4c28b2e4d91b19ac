//! What the operator is told about the servers: how each stands, and what is wrong. For status page,
//! readiness and metrics; no rule of the service looks at it. Times are the machine's clock.

use bitcoin::BlockHash;
use serde::{Deserialize, Serialize};

/// One configured server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its address, `tcp://host:port` or `ssl://host:port`; never a secret.
    pub address: String,
    /// Whether it is used.
    #[serde(flatten)]
    pub state: ServerState,
    /// The tip it announced last; absent before the first contact.
    pub tip: Option<ServerTip>,
    /// Whether that tip is the best block we know.
    pub at_best_tip: bool,
    /// Whether scripts are watched on it.
    pub watches: bool,
    /// Scripts subscribed to on it.
    pub subscriptions: usize,
    /// Seconds since it answered anything; absent if it never did.
    pub last_answer_age_secs: Option<u64>,
}

/// How a server stands with us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ServerState {
    /// Not there (yet); tried again and again.
    Connecting {
        /// Why the last try or connection ended; absent before that.
        reason: Option<String>,
    },
    /// It answers, and its headers are valid.
    Connected,
    /// It broke a rule: not asked again before `until_secs`.
    Dropped {
        /// Unix seconds.
        until_secs: u64,
        /// What it did.
        reason: String,
    },
}

/// The tip a server announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerTip {
    /// Height of the block.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
}

/// Something the operator should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alarm", rename_all = "snake_case")]
pub enum ChainAlarm {
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
        height: u32,
    },
    /// A server follows another chain, valid but with less work (or as much), for longer than lag explains.
    Disagreement {
        /// It.
        address: String,
        /// Height of its tip.
        height: u32,
        /// Hash of its tip.
        hash: BlockHash,
        /// Since when, Unix seconds.
        since_secs: u64,
    },
    /// A server broke a rule and is not asked for a time.
    ServerDropped {
        /// It.
        address: String,
        /// What it did.
        reason: String,
        /// Unix seconds.
        until_secs: u64,
    },
    /// No block came for so long that the servers may be keeping them from us.
    TipStale {
        /// Height of the best block known.
        height: u32,
        /// Seconds since its header's time.
        age_secs: u64,
    },
    /// The best block's time is far ahead of this machine's clock: one of the two is wrong.
    ClockSkew {
        /// By how many seconds.
        ahead_secs: u64,
    },
    /// The chain was reorganised deeper than is ordinary, within the last day.
    LongReorg {
        /// Blocks that were undone.
        depth: u32,
        /// The highest block that both branches share.
        fork_height: u32,
        /// When we saw it, Unix seconds.
        at_secs: u64,
    },
    /// A server takes no more subscriptions, and no other takes the rest: those scripts are looked at in
    /// turns only.
    SubscriptionsRefused {
        /// It.
        address: String,
        /// Scripts that it does not watch.
        scripts: usize,
    },
}

impl ChainAlarm {
    /// A stable name, as in the serialized form.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoServer => "no_server",
            Self::OneServer { .. } => "one_server",
            Self::NobodyAtBestTip { .. } => "nobody_at_best_tip",
            Self::Disagreement { .. } => "disagreement",
            Self::ServerDropped { .. } => "server_dropped",
            Self::TipStale { .. } => "tip_stale",
            Self::ClockSkew { .. } => "clock_skew",
            Self::LongReorg { .. } => "long_reorg",
            Self::SubscriptionsRefused { .. } => "subscriptions_refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash;
    use serde_json::json;

    #[test]
    fn the_code_of_an_alarm_is_its_tag() {
        let address = || "tcp://a:1".to_owned();
        let hash = BlockHash::all_zeros();
        let all = [
            ChainAlarm::NoServer,
            ChainAlarm::OneServer { address: address() },
            ChainAlarm::NobodyAtBestTip { height: 1 },
            ChainAlarm::Disagreement { address: address(), height: 1, hash, since_secs: 2 },
            ChainAlarm::ServerDropped { address: address(), reason: "r".into(), until_secs: 3 },
            ChainAlarm::TipStale { height: 1, age_secs: 2 },
            ChainAlarm::ClockSkew { ahead_secs: 1 },
            ChainAlarm::LongReorg { depth: 7, fork_height: 1, at_secs: 2 },
            ChainAlarm::SubscriptionsRefused { address: address(), scripts: 1 },
        ];
        for alarm in all {
            let value = serde_json::to_value(&alarm).unwrap();
            assert_eq!(value["alarm"], alarm.code());
            assert_eq!(serde_json::from_value::<ChainAlarm>(value).unwrap(), alarm);
        }
    }

    #[test]
    fn a_server_is_one_flat_object() {
        let status = ServerStatus {
            address: "ssl://b:2".into(),
            state: ServerState::Dropped { until_secs: 9, reason: "why".into() },
            tip: None,
            at_best_tip: false,
            watches: false,
            subscriptions: 0,
            last_answer_age_secs: Some(4),
        };
        let value = serde_json::to_value(&status).unwrap();
        assert_eq!((&value["state"], &value["until_secs"]), (&json!("dropped"), &json!(9)));
        assert_eq!(serde_json::from_value::<ServerStatus>(value).unwrap(), status);
    }
}

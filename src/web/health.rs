//! Whether the service can do its work now, check by check, each in words. Fails where requests or refunds
//! would fail; warns where the operator has something to do.

use super::operator::Operator;
use crate::chain::{ChainAlarm, ServerState};
use crate::service::views::FeeWalletView;
use serde::Serialize;

/// Blocks that our tip may be behind the best a server announced: facts of a new block take a moment.
const MOST_BEHIND: u32 = 2;
/// No chain but regtest, whose times are made up, rests for so long: whatever the servers say, we do not follow it.
const DEAD_SECS: u64 = 24 * 60 * 60;

/// Something of the outside that must work, asked anew each time: words, or what is wrong.
pub struct Probe {
    /// Its name among the checks.
    pub name: &'static str,
    /// Looks.
    pub look: Box<dyn Fn() -> (State, String) + Send + Sync>,
}

/// How a check turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works; somebody should look.
    Warning,
    /// The service cannot do its work.
    Failing,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// In words.
    pub detail: String,
}

/// The answer of `/ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether no check fails.
    pub ready: bool,
    /// Every check.
    pub checks: Vec<Check>,
}

/// Looks at everything.
pub fn readiness(operator: &Operator) -> Readiness {
    let mut checks = vec![running(operator), servers(operator), lag(operator), journal(operator)];
    checks.extend(operator.probes.iter().map(|probe| {
        let (state, detail) = (probe.look)();
        Check { name: probe.name, state, detail }
    }));
    checks.push(fee_wallet(operator));
    checks.extend(operator.service.chain().alarms().iter().filter_map(alarm));
    Readiness { ready: checks.iter().all(|check| check.state != State::Failing), checks }
}

fn check(name: &'static str, state: State, detail: impl Into<String>) -> Check {
    Check { name, state, detail: detail.into() }
}

fn running(operator: &Operator) -> Check {
    if operator.stopping() {
        return check("running", State::Failing, "the service is stopping");
    }
    check("running", State::Ok, "the service takes requests")
}

fn servers(operator: &Operator) -> Check {
    let servers = operator.service.chain().servers();
    let connected: Vec<_> = servers.iter().filter(|server| server.state == ServerState::Connected).collect();
    let agree = connected.iter().filter(|server| server.at_best_tip).count();
    let words =
        format!("{} of {} connected, {agree} of them at the best tip", connected.len(), servers.len());
    let state = match (connected.len(), agree) {
        (0, _) => State::Failing,
        // A server may be a block behind for a moment; `lag` says whether that is all.
        (all, agree) if agree < all || all < servers.len() => State::Warning,
        _ => State::Ok,
    };
    check("servers", state, words)
}

/// How far the recorded facts are behind what servers announce.
fn lag(operator: &Operator) -> Check {
    let Some(tip) = operator.service.read(|book| book.tip().copied()) else {
        return check("lag", State::Failing, "no block is known yet");
    };
    let announced = operator.service.chain().servers().into_iter();
    let connected = announced.filter(|server| server.state == ServerState::Connected);
    let best = connected.filter_map(|server| Some(server.tip?.height)).max().unwrap_or(tip.height);
    let behind = best.saturating_sub(tip.height);
    let words = format!("facts of block {}, best announced {best}: {behind} behind", tip.height);
    check("lag", if behind > MOST_BEHIND { State::Failing } else { State::Ok }, words)
}

fn journal(operator: &Operator) -> Check {
    let Some(reason) = operator.service.journal_trouble() else {
        return check("journal", State::Ok, "the last append is on the disk");
    };
    check("journal", State::Failing, reason)
}

fn fee_wallet(operator: &Operator) -> Check {
    match operator.service.fee_wallet() {
        None => check("fee_wallet", State::Warning, "none is known: refunds go by their own ladders"),
        Some(wallet) => {
            let FeeWalletView { confirmed_sat, pending_sat, needed_sat, low, signer_error, .. } = wallet;
            let mut words =
                format!("{confirmed_sat} sat confirmed, {pending_sat} sat pending, {needed_sat} sat needed");
            if low {
                words.push_str(": top it up, or refunds go by their own ladders");
            }
            if let Some(error) = &signer_error {
                words.push_str(&format!("; its signer did not sign: {error}"));
            }
            check("fee_wallet", if low || signer_error.is_some() { State::Warning } else { State::Ok }, words)
        }
    }
}

/// What the chain's side wants looked at. No server, or nothing at the best tip, fails in its own check or
/// here; the rest works on.
fn alarm(alarm: &ChainAlarm) -> Option<Check> {
    let (state, words) = match alarm {
        // Said by `servers`.
        ChainAlarm::NoServer | ChainAlarm::OneServer { .. } => return None,
        ChainAlarm::NobodyAtBestTip { height } => (
            State::Failing,
            format!("no connected server is on the chain with most work, up to block {height}"),
        ),
        ChainAlarm::Disagreement { address, height, hash, .. } => {
            (State::Warning, format!("{address} follows another chain, at block {height} {hash}"))
        }
        ChainAlarm::ServerDropped { address, reason, .. } => {
            (State::Warning, format!("{address} broke a rule and is not asked for a time: {reason}"))
        }
        // By the time in the header: the source raises none on regtest.
        ChainAlarm::TipStale { height, age_secs } => {
            let state = if *age_secs > DEAD_SECS { State::Failing } else { State::Warning };
            (state, format!("no block since {height}, {} minutes ago", age_secs / 60))
        }
        ChainAlarm::ClockSkew { ahead_secs } => {
            (State::Warning, format!("the best block is {ahead_secs} s ahead of this machine's clock"))
        }
        ChainAlarm::LongReorg { depth, fork_height, .. } => {
            (State::Warning, format!("{depth} blocks above {fork_height} were reorganised"))
        }
        ChainAlarm::SubscriptionsRefused { address, scripts } => {
            (State::Warning, format!("{address} does not watch {scripts} scripts"))
        }
    };
    Some(check(alarm.code(), state, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_tip_warns_and_after_a_day_fails() {
        let of = |age_secs| alarm(&ChainAlarm::TipStale { height: 7, age_secs }).unwrap();
        let (late, dead) = (of(4 * 60 * 60), of(DEAD_SECS + 1));
        assert_eq!((late.name, late.state), ("tip_stale", State::Warning));
        assert_eq!(late.detail, "no block since 7, 240 minutes ago");
        assert_eq!(dead.state, State::Failing);
        assert_eq!(of(DEAD_SECS).state, State::Warning);
    }
}

//! Pieces that several pages show alike: an amount, a moment, a task's progress, a task in a list.

use super::{stage_words, words};
pub use crate::escrow::charter::inert;
use crate::escrow::charter::unseen;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::Totals;
use crate::escrow::public::ProjectId;
use crate::escrow::statement::CharterId;
use crate::escrow::task::{Stage, Task};
use serde::Serialize;

/// An amount as HTML: sats, with BTC beside them.
pub fn amount(sat: &u64) -> String {
    let (sats, btc) = (words::sat(*sat), words::btc(*sat));
    format!("<span class=\"amount\">{sats} <span class=\"btc\">{btc} BTC</span></span>")
}

/// A moment as HTML: its date, and how far away it is by the chain's time.
pub fn moment(secs: &u32, now: &Option<u32>) -> String {
    let (machine, date) = (words::machine_time(*secs), words::time(*secs));
    let distance = match now {
        Some(now) => format!(" <span class=\"quiet\">({})</span>", words::distance(*secs, *now)),
        None => String::new(),
    };
    format!("<time datetime=\"{machine}\">{date}{distance}</time>")
}

/// The heading of a task: its first line, without the marks of a heading.
pub fn title(text: &str) -> String {
    let line = inert(&crate::escrow::task::title(text));
    let line = line.trim_start_matches('#').trim();
    if line.is_empty() { "A task without a title".to_owned() } else { line.to_owned() }
}

/// What is asked below its heading, inert; all of it where there is no more than that.
pub fn body(text: &str) -> String {
    let all = inert(text.trim());
    match all.split_once('\n') {
        // A first line that is too long to be a heading is read where it stands.
        Some((first, rest)) if !rest.trim().is_empty() && first.chars().count() <= 120 => {
            rest.trim_start_matches('\n').trim_end().to_owned()
        }
        _ => all,
    }
}

/// A repository as people call it: without scheme and `www`.
pub fn repository_name(repository: &str) -> String {
    let inert = inert(repository);
    let name = inert.trim_start_matches("https://").trim_start_matches("http://");
    name.trim_start_matches("www.").trim_end_matches('/').trim_end_matches(".git").to_owned()
}

/// A link out, if it is one that a browser may follow: never a scheme that runs or reads something here.
pub fn outward(link: &str) -> Option<String> {
    let web = link.starts_with("https://") || link.starts_with("http://");
    (web && unseen(link).is_none()).then(|| link.to_owned())
}

/// A text as part of a URL's query (RFC 3986).
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// How much is there, of how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Confirmed: credited and gifts, spent or not, but for what moved to another task.
    pub raised_sat: u64,
    /// On the way: seen, or not deep enough.
    pub pending_sat: u64,
    /// What the work needs.
    pub target_sat: u64,
    /// What is taken at most.
    pub cap_sat: u64,
    /// Confirmed, in whole percent of the target; may be more than a hundred.
    pub percent: u64,
    /// Whether the target was reached, now or before: what moves on undoes nothing.
    pub target_met: bool,
}

impl Progress {
    /// Of a task.
    pub fn of(task: &Task, tip: Option<&Tip>) -> Progress {
        let totals: Totals = tip.map(|tip| task.totals(tip)).unwrap_or_default();
        let raised_sat = totals.raised.to_sat();
        let target_sat = task.charter().target().to_sat();
        Progress {
            raised_sat,
            pending_sat: totals.seen.to_sat().saturating_add(totals.awaiting_depth.to_sat()),
            target_sat,
            cap_sat: task.charter().cap().to_sat(),
            percent: words::percent(raised_sat, target_sat),
            target_met: tip.is_some_and(|tip| task.target_met(tip)),
        }
    }

    /// Whether the target was reached and less is raised now: some of it moved to another task.
    pub fn moved_below(&self) -> bool {
        self.target_met && self.raised_sat < self.target_sat
    }

    /// What the whole bar stands for: the target, or more once there is more.
    fn whole(&self) -> u64 {
        self.target_sat.max(self.raised_sat.saturating_add(self.pending_sat))
    }

    /// Width of the confirmed part, in thousandths.
    pub fn raised_permille(&self) -> u32 {
        words::permille(self.raised_sat, self.whole())
    }

    /// Width of the part on its way.
    pub fn pending_permille(&self) -> u32 {
        words::permille(self.pending_sat, self.whole()).min(1_000 - self.raised_permille())
    }

    /// Where the target stands, if not at the end.
    pub fn target_permille(&self) -> Option<u32> {
        (self.target_sat < self.whole()).then(|| words::permille(self.target_sat, self.whole()))
    }

    /// Where the cap stands, if within the bar.
    pub fn cap_permille(&self) -> Option<u32> {
        (self.cap_sat < self.whole()).then(|| words::permille(self.cap_sat, self.whole()))
    }

    /// The same for who hears it.
    pub fn in_words(&self) -> String {
        let (raised, target) = (words::sat(self.raised_sat), words::sat(self.target_sat));
        let pending = match self.pending_sat {
            0 => String::new(),
            pending => format!(", {} on the way", words::sat(pending)),
        };
        format!("{raised} confirmed of {target}{pending}")
    }
}

/// The next date that matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deadline {
    /// What happens then.
    pub what: &'static str,
    /// When, Unix seconds of the median time past.
    pub secs: u32,
}

impl Deadline {
    /// Of a task; none when nothing is waited for any more.
    pub fn of(task: &Task, stage: Stage) -> Option<Deadline> {
        let fields = task.charter().fields();
        let window = task.submissions().iter().rev().find_map(|submission| task.window(submission));
        let late = |secs: u64| u32::try_from(secs).unwrap_or(u32::MAX);
        let awaits = task.submissions().last().is_some_and(|submission| task.awaits(submission).is_some());
        let (what, secs) = match stage {
            Stage::Open | Stage::Working if awaits => {
                ("Confirmation is due", task.charter().confirmation_deadline_secs())
            }
            Stage::Draft | Stage::Attested | Stage::Open => ("Funding closes", fields.funding_close),
            Stage::Working => ("Work is due", fields.work_deadline),
            Stage::Voting => ("Voting closes", late(window?.closes_secs)),
            Stage::Deciding => ("Rulings end", late(window?.ruling_ends_secs)),
            Stage::Settling => ("Refunds begin", fields.refund_time),
            Stage::Paid | Stage::Returned | Stage::Expired | Stage::Refunding | Stage::Refunded => {
                return None;
            }
        };
        Some(Deadline { what, secs })
    }

    /// What happens, and in how long: `Funding closes in 12 days`.
    pub fn left(&self, now: &Option<u32>) -> String {
        match now {
            Some(now) if *now > self.secs => format!("{}: any moment", self.what),
            Some(now) => format!("{} {}", self.what, words::distance(self.secs, *now)),
            None => format!("{} {}", self.what, words::day(self.secs)),
        }
    }
}

/// A task in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskCard {
    /// Its charter.
    pub charter: CharterId,
    /// First line of its text.
    pub title: String,
    /// Its project.
    pub project: ProjectId,
    /// What the project is called.
    pub project_name: String,
    /// Where it stands.
    pub stage: Stage,
    /// The same in words.
    pub state: &'static str,
    /// How much is there.
    pub progress: Progress,
    /// What comes next.
    pub deadline: Option<Deadline>,
    /// The chain's time.
    pub now_secs: Option<u32>,
}

impl TaskCard {
    /// Of a task.
    pub fn of(task: &Task, tip: Option<&Tip>) -> TaskCard {
        let (fields, stage) = (task.charter().fields(), task.stage(tip));
        TaskCard {
            charter: task.id(),
            title: title(task.text()),
            project: ProjectId::of(&fields.repository),
            project_name: repository_name(&fields.repository),
            stage,
            state: stage_words::label(stage),
            progress: Progress::of(task, tip),
            deadline: Deadline::of(task, stage),
            now_secs: tip.map(|tip| tip.mtp_secs),
        }
    }

    /// How its state is coloured.
    pub fn tone(&self) -> &'static str {
        stage_words::tone(self.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_is_inert() {
        assert_eq!(title("## Add a dark mode\nmore"), "Add a dark mode");
        assert_eq!(body("## Add a dark mode\n\n more\u{202e}\n"), " more\u{fffd}");
        assert_eq!((body("one line"), body("a\n \n")), ("one line".into(), "a".into()));
        assert_eq!(title(" \n"), "A task without a title");
        assert_eq!(repository_name("https://www.example.org/a/b.git"), "example.org/a/b");
        assert_eq!(outward("https://example.org/1"), Some("https://example.org/1".into()));
        for bad in ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://a\u{202e}b", ""]
        {
            assert_eq!(outward(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn bars_stay_within_themselves() {
        let bar = |raised_sat, pending_sat| Progress {
            raised_sat,
            pending_sat,
            target_sat: 1_000,
            cap_sat: 2_000,
            percent: 0,
            target_met: false,
        };
        let half = bar(500, 100);
        assert_eq!(
            (half.raised_permille(), half.pending_permille(), half.target_permille()),
            (500, 100, None)
        );
        let over = bar(1_500, 500);
        assert_eq!((over.raised_permille(), over.pending_permille()), (750, 250));
        assert_eq!((over.target_permille(), over.cap_permille()), (Some(500), None));
        assert_eq!(bar(3_000, 1_000).cap_permille(), Some(500));
        let huge = bar(u64::MAX, u64::MAX);
        assert!(huge.raised_permille() + huge.pending_permille() <= 1_000);
        assert_eq!(half.in_words(), "500 sat confirmed of 1,000 sat, 100 sat on the way");
        assert_eq!(
            amount(&1_000_000),
            "<span class=\"amount\">1,000,000 sat <span class=\"btc\">0.01000000 BTC</span></span>"
        );
    }

    #[test]
    fn what_is_past_is_not_counted_down() {
        let close = Deadline { what: "Funding closes", secs: 1_000_000 };
        assert_eq!(close.left(&Some(1_000_000 - 86_400 * 3)), "Funding closes in 3 days");
        assert_eq!(close.left(&Some(1_000_001)), "Funding closes: any moment");
        assert_eq!(close.left(&None), "Funding closes Mon 12 January 1970");
    }
}

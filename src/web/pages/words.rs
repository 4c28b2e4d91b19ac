//! Amounts, times, keys and shares as people read them. Templates call these by name.

use chrono::{DateTime, Utc};

pub use crate::escrow::public::sat_in_words as sat;

/// An amount in BTC with all eight places: `0.01000000`.
pub fn btc(amount_sat: u64) -> String {
    format!("{}.{:08}", amount_sat / 100_000_000, amount_sat % 100_000_000)
}

fn moment(secs: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(i64::from(secs), 0).unwrap_or_default()
}

/// A day: `Mon 7 December 2026`.
pub fn day(secs: u32) -> String {
    moment(secs).format("%a %-d %B %Y").to_string()
}

/// A moment, to the minute: `Mon 7 December 2026, 00:00 UTC`.
pub fn time(secs: u32) -> String {
    moment(secs).format("%a %-d %B %Y, %H:%M UTC").to_string()
}

/// A moment as programs read it, for `<time datetime>`.
pub fn machine_time(secs: u32) -> String {
    moment(secs).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How far `secs` is from `now_secs`, in the largest unit that says enough: `in 12 days`, `3 hours ago`, `now`.
pub fn distance(secs: u32, now_secs: u32) -> String {
    let apart = secs.abs_diff(now_secs);
    let (count, unit) = match apart {
        0..60 => return "now".to_owned(),
        60..7_200 => (apart / 60, "minute"),
        7_200..172_800 => (apart / 3_600, "hour"),
        _ => (apart / 86_400, "day"),
    };
    let text = format!("{count} {}", plural(unit, count));
    if secs > now_secs { format!("in {text}") } else { format!("{text} ago") }
}

/// A length of time: `7 days`, `90 minutes`.
pub fn span(secs: u32) -> String {
    let (count, unit) = match secs {
        secs if secs % 86_400 == 0 && secs > 0 => (secs / 86_400, "day"),
        secs if secs % 3_600 == 0 && secs > 0 => (secs / 3_600, "hour"),
        secs if secs % 60 == 0 && secs > 0 => (secs / 60, "minute"),
        secs => (secs, "second"),
    };
    format!("{count} {}", plural(unit, count))
}

/// The word with an `s` where the number asks for one.
pub fn plural(word: &str, count: u32) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// A share: `66.67 %`, `20 %`.
pub fn share(bps: u16) -> String {
    format!("{} %", crate::draft::wish::percent(bps))
}

/// An address in groups of four, as it is compared by eye.
pub fn groups(address: &str) -> Vec<String> {
    let chars: Vec<char> = address.chars().collect();
    chars.chunks(4).map(|group| group.iter().collect()).collect()
}

/// The two ends of something long: `bcrt1p9x…h4m2`.
pub fn ends(text: &str) -> String {
    let count = text.chars().count();
    if count <= 16 {
        return text.to_owned();
    }
    let head: String = text.chars().take(8).collect();
    let tail: String = text.chars().skip(count - 6).collect();
    format!("{head}…{tail}")
}

/// `part` of `whole` in thousandths, at most all: for pictures.
pub fn permille(part: u64, whole: u64) -> u32 {
    if whole == 0 {
        return 0;
    }
    let permille = u128::from(part) * 1_000 / u128::from(whole);
    u32::try_from(permille.min(1_000)).unwrap_or(1_000)
}

/// `part` of `whole` in whole percent, rounded down, uncapped: for words.
pub fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_times_and_shares_read_well() {
        assert_eq!(btc(1_000_000), "0.01000000");
        assert_eq!(btc(2_100_000_000_000_000), "21000000.00000000");
        assert_eq!(day(1_796_601_600), "Mon 7 December 2026");
        assert_eq!(time(1_796_601_600), "Mon 7 December 2026, 00:00 UTC");
        assert_eq!(machine_time(u32::MAX), "2106-02-07T06:28:15Z");
        assert_eq!(distance(1_000, 1_000), "now");
        assert_eq!(distance(1_000 + 86_400 * 3, 1_000), "in 3 days");
        assert_eq!(distance(1_000, 1_060), "1 minute ago");
        assert_eq!(span(7 * 86_400), "7 days");
        assert_eq!(span(86_401), "86401 seconds");
        assert_eq!(share(6_667), "66.67 %");
        assert_eq!(share(2_050), "20.5 %");
        assert_eq!(share(10_000), "100 %");
        assert_eq!(groups("bcrt1pxyz"), ["bcrt", "1pxy", "z"]);
        assert_eq!(ends("bcrt1p0123456789abcdef"), "bcrt1p01…abcdef");
        assert_eq!((permille(1, 3), permille(7, 3), permille(1, 0)), (333, 1_000, 0));
        assert_eq!((percent(u64::MAX, 1), percent(1, 3)), (u64::MAX, 33));
    }
}

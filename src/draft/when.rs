//! Times and lengths of time as people write them in drafts: `120d`, `2027-05-31`, `1811721600`.

use chrono::{NaiveDate, NaiveTime};
use serde::Deserialize;
use std::str::FromStr;

/// Neither a time nor a length of time.
#[derive(Debug, thiserror::Error)]
#[error("{given:?} is no {wanted}")]
pub struct BadTime {
    given: String,
    wanted: &'static str,
}

/// A length of time in seconds: a number with `s`, `m`, `h`, `d` or `w`, or seconds alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub struct Span(pub u32);

/// A point of time: absolute, or counted from the chain's median time past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub enum When {
    /// Unix seconds.
    At(u32),
    /// Seconds from now.
    In(u32),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u32),
    Text(String),
}

impl When {
    /// Unix seconds; `None` past 32 bits.
    pub fn from(self, now_secs: u32) -> Option<u32> {
        match self {
            When::At(secs) => Some(secs),
            When::In(secs) => now_secs.checked_add(secs),
        }
    }
}

impl FromStr for Span {
    type Err = BadTime;
    fn from_str(given: &str) -> Result<Span, BadTime> {
        let bad = || BadTime {
            given: given.chars().take(40).collect(),
            wanted: "length of time, such as 14d, 12h or 600s",
        };
        let digits = given.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor: u32 = match &given[digits.len()..] {
            "" | "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return Err(bad()),
        };
        let number: u32 = digits.parse().map_err(|_| bad())?;
        number.checked_mul(factor).map(Span).ok_or_else(bad)
    }
}

impl FromStr for When {
    type Err = BadTime;
    fn from_str(given: &str) -> Result<When, BadTime> {
        let bad = || BadTime {
            given: given.chars().take(40).collect(),
            wanted: "time: write 120d, 2027-05-31 or Unix seconds",
        };
        let text = given.trim();
        if let Ok(secs) = text.parse() {
            return Ok(When::At(secs));
        }
        if text.matches('-').count() == 2 {
            let midnight =
                NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| bad())?.and_time(NaiveTime::MIN);
            return u32::try_from(midnight.and_utc().timestamp()).map(When::At).map_err(|_| bad());
        }
        let span = text.strip_prefix("in ").or_else(|| text.strip_prefix('+')).unwrap_or(text);
        span.parse::<Span>().map(|Span(secs)| When::In(secs)).map_err(|_| bad())
    }
}

impl TryFrom<NumberOrText> for Span {
    type Error = BadTime;
    fn try_from(given: NumberOrText) -> Result<Span, BadTime> {
        match given {
            NumberOrText::Number(secs) => Ok(Span(secs)),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

impl TryFrom<NumberOrText> for When {
    type Error = BadTime;
    fn try_from(given: NumberOrText) -> Result<When, BadTime> {
        match given {
            NumberOrText::Number(secs) => Ok(When::At(secs)),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_three_ways() {
        assert_eq!("120d".parse::<When>().unwrap(), When::In(120 * 86_400));
        assert_eq!("in 2w".parse::<When>().unwrap(), When::In(14 * 86_400));
        assert_eq!("+90s".parse::<When>().unwrap(), When::In(90));
        assert_eq!("2027-05-31".parse::<When>().unwrap(), When::At(1_811_721_600));
        assert_eq!("1811721600".parse::<When>().unwrap(), When::At(1_811_721_600));
        assert_eq!("300".parse::<Span>().unwrap(), Span(300));
        for bad in ["", "d", "1.5d", "-3d", "2027-02-30", "99999999999", "9999999w", "3é", "soon"] {
            assert!(bad.parse::<When>().is_err(), "{bad}");
        }
    }
}

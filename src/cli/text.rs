//! Words for people: amounts, times, addresses, aligned rows. No command's own text is here.

pub use crate::escrow::charter::inert;
use std::fmt;

/// Satoshis with thousands parted: `1,234,567 sat`.
pub fn sat(amount_sat: u64) -> String {
    format!("{} sat", parted(amount_sat))
}

/// A number with thousands parted.
pub fn parted(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Unix seconds as `2027-05-31 00:00:00 UTC (1811721600)`.
pub fn when(secs: impl Into<u64>) -> String {
    let secs = secs.into();
    format!("{} ({secs})", stamp(secs))
}

/// Unix seconds as `2027-05-31 00:00:00 UTC`.
pub fn stamp(secs: u64) -> String {
    let moment = i64::try_from(secs).ok().and_then(|secs| chrono::DateTime::from_timestamp(secs, 0));
    moment.map_or_else(|| "beyond any calendar".to_owned(), |moment| moment.format("%F %T UTC").to_string())
}

/// A length of time in its largest whole unit.
pub fn span(secs: u32) -> String {
    let (number, unit) = match secs {
        0 => return "none".into(),
        _ if secs.is_multiple_of(86_400) => (secs / 86_400, "day"),
        _ if secs.is_multiple_of(3600) => (secs / 3600, "hour"),
        _ if secs.is_multiple_of(60) => (secs / 60, "minute"),
        _ => (secs, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// Basis points as a percentage.
pub fn percent(bps: u16) -> String {
    format!("{}.{:02} %", bps / 100, bps % 100)
}

/// An address in groups of four, for comparing by eye.
pub fn groups(address: &str) -> String {
    let letters: Vec<char> = address.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// A QR code in half blocks.
pub fn qr(text: &str) -> anyhow::Result<String> {
    use qrcode::render::unicode::Dense1x2;
    let code = qrcode::QrCode::with_error_correction_level(text.as_bytes(), qrcode::EcLevel::L).map_err(
        |error| super::exit::Failure::refused("qr", error.to_string()).hint("leave it out with --no-qr"),
    )?;
    // Light modules are drawn as blocks: on a dark terminal that is the right way round.
    Ok(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

/// Labels and values in two columns.
#[derive(Default)]
pub struct Rows(Vec<(String, String)>);

impl Rows {
    /// None yet.
    pub fn new() -> Rows {
        Rows::default()
    }

    /// Adds a row.
    pub fn row(&mut self, label: impl Into<String>, value: impl ToString) -> &mut Rows {
        self.0.push((label.into(), value.to_string()));
        self
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        for (label, value) in &self.0 {
            let mut lines = value.lines();
            writeln!(f, "{label:width$}  {}", lines.next().unwrap_or_default())?;
            for line in lines {
                writeln!(f, "{:width$}  {line}", "")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_times_and_addresses_read_well() {
        assert_eq!(sat(0), "0 sat");
        assert_eq!(sat(999), "999 sat");
        assert_eq!(sat(2_100_000_000_000_000), "2,100,000,000,000,000 sat");
        assert_eq!(when(1_811_721_600_u32), "2027-05-31 00:00:00 UTC (1811721600)");
        assert_eq!(when(951_782_400_u32), "2000-02-29 00:00:00 UTC (951782400)");
        assert_eq!(when(0x7fff_ffff_u32), "2038-01-19 03:14:07 UTC (2147483647)");
        assert_eq!(when(u64::MAX), "beyond any calendar (18446744073709551615)");
        assert_eq!(groups("bcrt1pabc"), "bcrt 1pab c");
        assert_eq!(span(120 * 86_400), "120 days");
        assert_eq!(percent(6_667), "66.67 %");
    }

    #[test]
    fn rows_are_aligned_also_over_several_lines() {
        let mut rows = Rows::new();
        rows.row("a", 1).row("long", "x\ny");
        assert_eq!(rows.to_string(), "a     1\nlong  x\n      y\n");
    }

    #[test]
    fn what_others_wrote_cannot_hide() {
        assert_eq!(inert("a\u{1b}[2J\u{202e}b\nc"), "a [2J\u{fffd}b\nc");
    }
}

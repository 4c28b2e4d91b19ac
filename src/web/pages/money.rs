//! Amounts and addresses in templates: digits and letters of our own making, marked so that they can be read,
//! copied and styled.

use super::{pieces, words};
use askama::filters::{Escaper, Html, Safe};

/// `50,000 sat` with BTC beside it.
pub fn of(amount_sat: u64) -> Safe<String> {
    Safe(pieces::amount(&amount_sat))
}

/// An address in groups of four.
pub fn address(text: &str) -> Safe<String> {
    let mut html = String::from("<span class=\"address\">");
    for group in words::groups(text) {
        html.push_str("<span>");
        // Addresses are base58 or bech32; whatever else came here is shown, not run.
        let _ = Html.write_escaped_str(&mut html, &group);
        html.push_str("</span>");
    }
    html.push_str("</span>");
    Safe(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_addresses_are_marked_and_escaped() {
        assert_eq!(
            of(50_000).0,
            "<span class=\"amount\">50,000 sat <span class=\"btc\">0.00050000 BTC</span></span>"
        );
        assert_eq!(address("bc1p<").0, "<span class=\"address\"><span>bc1p</span><span>&#60;</span></span>");
    }
}

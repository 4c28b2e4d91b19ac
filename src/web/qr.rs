//! The QR code of a payment: the link with the address in upper case, which needs fewer modules.

use bitcoin::{Address, Amount};
use qrcode::render::svg;
use qrcode::types::QrError;
use qrcode::{EcLevel, QrCode};

/// What the code says: scheme and keys in lower case, the bech32 address in upper case (BIP173, BIP321).
pub fn qr_payload(address: &Address, amount: Amount) -> String {
    format!("bitcoin:{:#}?amount={}", address, amount.display_in(bitcoin::Denomination::Bitcoin))
}

/// The code as an SVG picture with its quiet zone, dark on light.
pub fn qr_svg(payload: &str) -> Result<String, QrError> {
    Ok(draw(&QrCode::with_error_correction_level(payload, EcLevel::M)?))
}

/// One of a row of codes: with the least correction, since a code that was not read comes round again.
pub fn frame_svg(payload: &str) -> Result<String, QrError> {
    Ok(draw(&QrCode::with_error_correction_level(payload, EcLevel::L)?))
}

fn draw(code: &QrCode) -> String {
    code.render::<svg::Color<'_>>()
        .min_dimensions(240, 240)
        .dark_color(svg::Color("#000"))
        .light_color(svg::Color("#fff"))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::network::Network;
    use crate::escrow::testing;

    #[test]
    fn address_in_capitals_and_amount_in_btc() {
        let address = testing::address(Network::Regtest, 0);
        let payload = qr_payload(&address, Amount::from_sat(123_456));
        let capitals = address.to_string().to_uppercase();
        assert_eq!(payload, format!("bitcoin:{capitals}?amount=0.00123456"));
        assert!(qr_svg(&payload).unwrap().contains("<svg"));
    }
}

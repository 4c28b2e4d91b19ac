//! PSBTs as rows of QR codes (BBQr, <https://bbqr.org>), for signers whose machine has a camera and no network.
//! Only what a person can still scan: beyond that there are files.

use super::qr::frame_svg;
use bbqr::encode::Encoding;
use bbqr::file_type::FileType;
use bbqr::qr::Version;
use bbqr::split::{Split, SplitOptions};
use bitcoin::Psbt;

/// Longest PSBT that is tried, bytes: a longer one has too many codes however well it is compressed.
const MAX_BYTES: usize = 48 << 10;
/// Most codes in a row. Scanned at one a second that is half a minute, and a code that was missed comes round again.
pub const MAX_FRAMES: usize = 32;
/// The densest code (101 modules a side) that an ordinary camera reads from an ordinary screen.
const DENSEST: Version = Version::V21;

/// What each code says, in order. `None` where it is too much for a row of codes.
pub fn frames(psbt: &Psbt) -> Option<Vec<String>> {
    let bytes = psbt.serialize();
    if bytes.len() > MAX_BYTES {
        return None;
    }
    let options = SplitOptions {
        encoding: Encoding::Zlib,
        min_split_number: 1,
        max_split_number: MAX_FRAMES,
        min_version: Version::V01,
        max_version: DENSEST,
    };
    Split::try_from_data(&bytes, FileType::Psbt, options).ok().map(|split| split.parts)
}

/// One code as a picture.
pub fn picture(frame: &str) -> Option<String> {
    frame_svg(frame).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::settlement::Kind;
    use crate::escrow::testing::World;
    use bbqr::join::Joined;
    use bitcoin::Amount;
    use qrcode::{EcLevel, QrCode};

    #[test]
    fn frames_join_into_the_same_bytes_and_fit_their_codes() {
        let psbts = proposed(3);
        for psbt in &psbts {
            let frames = frames(psbt).expect("three inputs are little");
            assert!(frames.len() > 1, "more than one, or joining shows nothing");
            // A camera begins anywhere and sees some twice.
            let mut seen: Vec<String> = frames.iter().rev().cloned().collect();
            seen.push(frames[0].clone());
            let joined = Joined::try_from_parts(seen).unwrap();
            assert_eq!(joined.file_type, FileType::Psbt);
            assert_eq!(Psbt::deserialize(&joined.data).unwrap(), *psbt);
            for frame in &frames {
                let code = QrCode::with_error_correction_level(frame, EcLevel::L).unwrap();
                assert!(code.width() <= 101, "{}", code.width());
                assert!(picture(frame).unwrap().contains("<svg"));
            }
            assert!(Joined::try_from_parts(frames[1..].to_vec()).is_err(), "a missing code is missed");
        }
    }

    #[test]
    fn what_is_too_much_has_no_frames() {
        let mut psbt = proposed(1).remove(0);
        assert!(frames(&psbt).is_some());
        let input = psbt.inputs[0].clone();
        psbt.inputs = vec![input; 200];
        assert!(psbt.serialize().len() > MAX_BYTES);
        assert_eq!(frames(&psbt), None);
    }

    fn proposed(pledges: u32) -> Vec<Psbt> {
        let mut world = World::new(|_| {});
        for index in 1..=pledges {
            world.fund(Amount::from_sat(50_000 + u64::from(index)));
        }
        let id = world.propose(Kind::EarlyReturn, 1).unwrap();
        world.plan(id).psbts()
    }
}

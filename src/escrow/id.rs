//! Identifiers as text: some bytes in lower-case hex, one way to write and read them. What an identifier names,
//! and how a wrong one is refused, is for its own module.

/// So many bytes, each written as two lower-case hex digits.
pub(crate) fn parse_hex<const BYTES: usize>(given: &str) -> Option<[u8; BYTES]> {
    let digits = given.as_bytes();
    if digits.len() != 2 * BYTES || !digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Writes and reads a type, wherever it is serialised, as the text it displays as.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// So many bytes that identify something, written in lower-case hex; another text is `$bad`, of type `$error`.
macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $error:ty, $bad:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $bytes]);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = $error;
            fn from_str(given: &str) -> Result<Self, $error> {
                $crate::escrow::id::parse_hex(given).map($name).ok_or($bad)
            }
        }
        $crate::escrow::id::serde_as_text!($name);
    };
}

pub(crate) use {hex_id, serde_as_text};

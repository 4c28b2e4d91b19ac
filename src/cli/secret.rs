//! Recognises secrets on the command line, where every process of the machine can read them: they are
//! refused before anything else happens, and never repeated.

use crate::keys::{KeyFileError, Phrase};
use bitcoin::PrivateKey;

/// Whether a text is, or holds, a recovery phrase, an extended private key, a WIF or an nsec.
pub fn looks_secret(text: &str) -> bool {
    let extended = ["xprv", "tprv", "yprv", "zprv", "uprv", "vprv"];
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.clone().any(|word| {
        (word.len() > 100 && extended.iter().any(|prefix| word.contains(prefix)))
            || (word.len() > 55 && word.to_ascii_lowercase().starts_with("nsec1"))
            || PrivateKey::from_wif(word).is_ok()
    }) || matches!(Phrase::parse(text), Ok(_) | Err(KeyFileError::Checksum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_and_other_words_are_not() {
        let words =
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
        for secret in [
            words,
            &words.to_ascii_uppercase(),
            "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA",
            "[d34db33f/87h/0h/0h]xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
            "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
        ] {
            assert!(looks_secret(secret));
        }
        for other in [
            "show",
            "--key",
            "/home/me/abandon abandon.txt",
            "https://example.org/a-long-link-to-some-work-that-was-done/and/more/of/it/0123456789abcdef0123456789abcdef",
            "the parser should read dates from before the year nineteen hundred and seventy",
            "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0",
            "bcrt1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesyga4z6",
        ] {
            assert!(!looks_secret(other), "{other}");
        }
    }
}

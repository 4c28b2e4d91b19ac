//! Sealing and opening: ours, another implementation's, and hostile files.

use super::*;

fn pass(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

/// `age -p -a` of Debian 12's age 1.1.1 (the Go implementation), passphrase `correct horse battery`.
const BY_AGE: &[u8] = include_bytes!("by-age-1.1.1.txt");

#[test]
fn what_is_sealed_opens_with_its_passphrase_and_no_other() {
    let plain = b"some words\n".repeat(10_000);
    let sealed = seal(&plain, &pass("one passphrase"));
    assert!(is_sealed(&sealed) && sealed.starts_with(ARMOR));
    assert!(sealed.is_ascii() && !sealed.windows(10).any(|part| part == b"some words"));
    assert_eq!(*open(&sealed, &pass("one passphrase"), 200_000).unwrap(), plain);
    let wrong = open(&sealed, &pass("one Passphrase"), 200_000).unwrap_err();
    assert_eq!(wrong, SealedError::WrongPassphrase);
    assert_eq!(
        open(&sealed, &pass("one passphrase"), 1_000).unwrap_err(),
        SealedError::TooLong { max: 1_000 }
    );
    // Salted: the same twice is two different files.
    assert_ne!(seal(b"x", &pass("one passphrase")), seal(b"x", &pass("one passphrase")));
}

#[test]
fn what_the_age_tool_made_opens_here() {
    let plain = open(BY_AGE, &pass("correct horse battery"), 1_000).unwrap();
    let text = std::str::from_utf8(&plain).unwrap();
    assert!(text.starts_with("# made by age 1.1.1\nabandon ") && text.ends_with(" about\n"), "{text}");
    assert_eq!(open(BY_AGE, &pass("correct horse"), 1_000).unwrap_err(), SealedError::WrongPassphrase);
    // As editors and mail programs leave it.
    let mut spaced = b"\n  \n".to_vec();
    spaced
        .extend(BY_AGE.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }));
    assert!(is_sealed(&spaced));
    assert_eq!(open(&spaced, &pass("correct horse battery"), 1_000).unwrap(), plain);
}

#[test]
fn the_work_is_calibrated_for_people_and_bounded_for_readers() {
    let recipient = age::scrypt::Recipient::new(pass("x").secret());
    let calibrated = log_n(&seal_to(b"", &recipient)).unwrap();
    // Less than 2^14 would be guessed in no time; the machine must be a very slow one.
    assert!((14..=24).contains(&calibrated), "2^{calibrated}");
    assert_eq!(log_n(BY_AGE), Some(18));

    // A hostile header, 2^40 steps: refused before any of them is done.
    let mut recipient = age::scrypt::Recipient::new(pass("x").secret());
    recipient.set_work_factor(5);
    let binary = age::encrypt(&recipient, b"words").unwrap();
    let text = String::from_utf8_lossy(&binary).into_owned();
    let stanza = text.lines().find(|line| line.starts_with("-> scrypt ")).unwrap();
    let hostile = stanza.strip_suffix(" 5").unwrap().to_owned() + " 40";
    let mut bytes = binary.clone();
    let at = binary.windows(stanza.len()).position(|part| part == stanza.as_bytes()).unwrap();
    bytes.splice(at..at + stanza.len(), hostile.bytes());
    assert_eq!(open(&bytes, &pass("x"), 100).unwrap_err(), SealedError::TooMuchWork { log_n: 40 });
    assert_eq!(*open(&binary, &pass("x"), 100).unwrap(), b"words", "without armor as well");
}

#[test]
fn damaged_and_foreign_files_are_told_from_wrong_passphrases() {
    let sealed = seal(b"twelve words", &pass("a passphrase"));
    let open = |bytes: &[u8]| open(bytes, &pass("a passphrase"), 1_000).map(|_| ());
    for cut in [ARMOR.len(), sealed.len() / 2, sealed.len() - 40] {
        assert_eq!(open(&sealed[..cut]), Err(SealedError::Damaged), "cut at {cut}");
    }
    // Every line but the frame, with its first letter changed: never opened, whatever it is called.
    let text = String::from_utf8(sealed).unwrap();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('-')) {
        let other = if line.starts_with('A') { "B" } else { "A" };
        let changed: Vec<String> = text
            .lines()
            .enumerate()
            .map(|(at, same)| if at == number { format!("{other}{}", &line[1..]) } else { same.to_owned() })
            .collect();
        assert!(open(changed.join("\n").as_bytes()).is_err(), "line {number}");
    }
    let key = age::x25519::Identity::generate();
    let to_key = age::encrypt_and_armor(&key.to_public(), b"words").unwrap();
    assert_eq!(open(to_key.as_bytes()), Err(SealedError::NotPassphrase));
    assert!(!is_sealed(b"abandon abandon") && !is_sealed(b""));
}

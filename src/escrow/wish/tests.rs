//! What is kept of a wish, what counts, and what is refused.

use super::*;
use crate::escrow::book::BookError;
use crate::escrow::event::Record;
use crate::escrow::network::Network;
use crate::escrow::project::{Project, ProjectWithdrawal};
use crate::escrow::statement::Statement;
use crate::escrow::testing::{self, World};
use bitcoin::secp256k1::{Keypair, Secp256k1};
use proptest::prelude::*;

const NET: Network = Network::Regtest;
const TEXT: &str = "Read dates before 1970\n\nThe parser refuses them.";

fn key(n: u8) -> Keypair {
    testing::sponsor(n)
}

fn public(n: u8) -> XOnlyPublicKey {
    key(n).x_only_public_key().0
}

fn signed<S: Statement>(statement: S, n: u8) -> Signed<S> {
    Signed::new(&Secp256k1::new(), statement, &key(n))
}

fn wish(n: u8) -> Wish {
    Wish {
        network: NET,
        repository: "https://example.org/parser".into(),
        link: Some("https://example.org/parser/issues/7".into()),
        text_hash: Digest::of(TEXT.as_bytes()),
        by: public(n),
    }
}

fn like(task: TaskId, n: u8, like: bool, counter: u32) -> Word {
    Word::Like(signed(Like { network: NET, task, by: public(n), like, counter }, n))
}

fn promise(task: TaskId, n: u8, amount_sat: u64, counter: u32) -> Word {
    Word::Promise(signed(Promise { network: NET, task, by: public(n), amount_sat, counter }, n))
}

fn offer(
    task: TaskId,
    n: u8,
    seat: OfferedSeat,
    choice: OfferChoice,
    until: Option<u32>,
    counter: u32,
) -> Word {
    Word::Offer(signed(Offer { network: NET, task, by: public(n), seat, choice, until, counter }, n))
}

fn develop(task: TaskId, n: u8, choice: OfferChoice, until: Option<u32>, counter: u32) -> Word {
    offer(task, n, OfferedSeat::Developer, choice, until, counter)
}

fn lead(task: TaskId, n: u8, choice: LeadChoice, place: Option<u32>, counter: u32) -> Word {
    Word::Lead(signed(Lead { network: NET, task, by: public(n), choice, place, counter }, n))
}

fn settings(n: u8, likes: bool, counter: u32) -> Project {
    Project {
        network: NET,
        repository: "https://example.org/parser".into(),
        name: "Parser".into(),
        description: "Reads dates".into(),
        licence: "MIT".into(),
        arbiter: None,
        leader_address: None,
        leader_share_bps: 0,
        minimum_pledge_sat: 10_000,
        donations: None,
        likes,
        published: None,
        by: public(n),
        counter,
    }
}

/// A book with a tip and a wish of person 1.
fn wished() -> (World, TaskId) {
    let mut world = World::bare(&testing::fields(NET));
    world.sync();
    let (id, records) = world.book.write_wish(NET, &signed(wish(1), 1), TEXT).unwrap();
    keep(&mut world, &records);
    (world, id)
}

/// Applies records by way of their JSON.
fn keep(world: &mut World, records: &[Record]) {
    for record in records {
        let line = serde_json::to_string(record).unwrap();
        let again: Record = serde_json::from_str(&line).unwrap();
        assert_eq!(again, *record, "a record survives the journal");
        world.book.apply(&again).unwrap();
    }
}

fn say(world: &mut World, id: TaskId, word: &Word) -> Result<usize, WishRefused> {
    let records = world.book.say(NET, &id, word)?;
    keep(world, &records);
    Ok(records.len())
}

fn set(world: &mut World, n: u8, likes: bool, counter: u32) {
    let (_, records) = world.book.set_project(NET, &signed(settings(n, likes, counter), n)).unwrap();
    keep(world, &records);
}

fn mtp(world: &World) -> u32 {
    world.book.tip().unwrap().mtp_secs
}

fn state(world: &World, id: TaskId) -> &WishState {
    world.book.wishes().get(&id).unwrap()
}

#[test]
fn statements_are_the_lines_that_the_protocol_writes() {
    let id = wish(1).id();
    let by = public(1);
    let text_hash = Digest::of(TEXT.as_bytes());
    assert_eq!(
        wish(1).lines(),
        format!(
            "network: regtest\nrepository: https://example.org/parser\n\
             link: https://example.org/parser/issues/7\ntext hash: {text_hash}\nby: {by}\n"
        )
    );
    assert!(Wish { link: None, ..wish(1) }.lines().contains("\nlink: none\n"));
    for (word, lines) in [
        (like(id, 1, false, 3), format!("by: {by}\nlike: no\ncounter: 3\n")),
        (promise(id, 1, 50_000, 1), format!("by: {by}\namount: 50000 sat\ncounter: 1\n")),
        (
            develop(id, 1, OfferChoice::Reserve, Some(1_790_000_000), 2),
            format!("by: {by}\nas: developer\nchoice: reserve\nuntil: 1790000000\ncounter: 2\n"),
        ),
        (
            lead(id, 1, LeadChoice::None, None, 0),
            format!("by: {by}\nchoice: none\nplace: none\ncounter: 0\n"),
        ),
    ] {
        assert_eq!(word.lines(), format!("network: regtest\ntask: {id}\n{lines}"));
        assert_eq!(word.verify(), Ok(()));
    }
}

/// Statements with their lines, digests and signatures, which the browser's part recomputes.
fn vectors() -> serde_json::Value {
    fn row<S: Statement + serde::Serialize>(kind: &str, statement: S) -> serde_json::Value {
        let signature = statement.sign(&Secp256k1::new(), &key(1));
        serde_json::json!({
            "kind": kind,
            "tag": S::TAG,
            "lines": statement.lines(),
            "digest": statement.digest(),
            "secret_key": key(1).display_secret().to_string(),
            "signature": signature,
            "statement": statement,
        })
    }
    let (task, by) = (wish(1).id(), public(1));
    let offer = |seat, choice, until| Offer { network: NET, task, by, seat, choice, until, counter: 3 };
    let lead = |choice, place| Lead { network: NET, task, by, choice, place, counter: 4 };
    let full = Project {
        arbiter: Some("the foundation".into()),
        leader_address: Some(testing::address(NET, 1).to_string()),
        leader_share_bps: 300,
        donations: Some("https://example.org/donate".into()),
        published: Some("https://example.org/parser/UPFRONT".into()),
        ..settings(1, true, 5)
    };
    serde_json::json!([
        row("wish", wish(1)),
        row("wish", Wish { link: None, ..wish(1) }),
        row("like", Like { network: NET, task, by, like: true, counter: 1 }),
        row("like", Like { network: NET, task, by, like: false, counter: 2 }),
        row("promise", Promise { network: NET, task, by, amount_sat: 50_000, counter: 1 }),
        row("promise", Promise { network: NET, task, by, amount_sat: 2_100_000_000_000_000, counter: 2 }),
        row("offer", offer(OfferedSeat::Developer, OfferChoice::Reserve, Some(1_790_000_000))),
        row("offer", offer(OfferedSeat::Representative, OfferChoice::Accept, None)),
        row("lead", lead(LeadChoice::Accept, Some(1))),
        row("lead", lead(LeadChoice::None, None)),
        row("project", full),
        row("project", settings(1, false, 6)),
        row("wish_withdrawal", Withdrawal { network: NET, task, by }),
        row(
            "project_withdrawal",
            ProjectWithdrawal {
                network: NET,
                repository: "https://example.org/parser".into(),
                by,
                counter: 7,
            },
        ),
    ])
}

#[test]
fn the_published_vectors_are_these() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/descriptors/wishes.json");
    let made = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
    if std::env::var_os("UPFRONT_RENEW").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), made, "renew it with UPFRONT_RENEW=1");
}

#[test]
fn a_wish_is_written_once_and_only_as_it_was_signed() {
    let (world, id) = wished();
    let again = world.book.write_wish(NET, &signed(wish(1), 1), TEXT).unwrap();
    assert_eq!(again, (id, Vec::new()), "twice is once");
    let refused = |wish: Wish, n: u8, text: &str| {
        world.book.write_wish(NET, &signed(wish, n), text).unwrap_err().code()
    };
    assert_eq!(refused(wish(1), 2, TEXT), "bad_signature", "somebody else's key");
    assert_eq!(refused(wish(1), 1, "another text"), "wish_text");
    let text = "x".repeat(MAX_TEXT_BYTES + 1);
    assert_eq!(refused(Wish { text_hash: Digest::of(text.as_bytes()), ..wish(1) }, 1, &text), "wish_text");
    assert_eq!(refused(Wish { text_hash: Digest::of(b" \n"), ..wish(1) }, 1, " \n"), "wish_text");
    assert_eq!(refused(Wish { network: Network::Signet, ..wish(1) }, 1, TEXT), "other_network");
    for (repository, link) in [
        ("", None),
        ("two\nlines", None),
        ("hidden\u{202e}", None),
        ("fine", Some("javascript:alert(1)")),
        ("fine", Some("https://")),
        ("fine", Some("https://a b")),
    ] {
        let wish = Wish { repository: repository.into(), link: link.map(str::to_owned), ..wish(1) };
        assert_eq!(refused(wish, 1, TEXT), "statement_field", "{repository:?} {link:?}");
    }
    let at_most = "x".repeat(MAX_TEXT_BYTES);
    let wish = Wish { text_hash: Digest::of(at_most.as_bytes()), ..wish(1) };
    assert!(world.book.write_wish(NET, &signed(wish, 1), &at_most).is_ok());
    let mut empty = Book::default();
    let unknown = empty.write_wish(NET, &signed(self::wish(1), 1), TEXT).unwrap_err();
    assert_eq!(unknown.code(), "chain_unknown");
    // A forged journal is refused where it is read.
    let event = WishEvent::WishWritten { wish: signed(self::wish(1), 2), text: TEXT.into(), at_mtp_secs: 0 };
    let forged = Record::Wish { wish: id, event };
    assert!(matches!(empty.apply(&forged), Err(BookError::Wish { .. })));
}

#[test]
fn likes_and_promises_count_once_a_key_and_go_when_taken_back() {
    let (mut world, id) = wished();
    for n in 2..5 {
        assert_eq!(say(&mut world, id, &like(id, n, true, 1)), Ok(1));
        assert_eq!(say(&mut world, id, &promise(id, n, 10_000 * u64::from(n), 1)), Ok(1));
    }
    assert_eq!(say(&mut world, id, &like(id, 2, true, 1)), Ok(0), "twice is once");
    let known = state(&world, id);
    assert_eq!((known.likes().len(), known.promised().to_sat()), (3, 90_000));
    assert_eq!(known.promises()[0], (public(2), Amount::from_sat(20_000)), "in the order they came");
    say(&mut world, id, &like(id, 3, false, 2)).unwrap();
    say(&mut world, id, &promise(id, 4, 0, 7)).unwrap();
    say(&mut world, id, &promise(id, 2, 5_000, 2)).unwrap();
    let known = state(&world, id);
    assert_eq!((known.likes(), known.promised().to_sat()), (vec![public(2), public(4)], 35_000));
    assert_eq!(known.said().len(), 9, "what was said stays in the record");
    let refused = |world: &mut World, word: &Word| say(world, id, word).unwrap_err().code();
    assert_eq!(refused(&mut world, &like(id, 2, false, 1)), "counter_used");
    let money = Amount::MAX_MONEY.to_sat();
    assert_eq!(refused(&mut world, &promise(id, 5, money + 1, 1)), "promise_amount");
    assert_eq!(say(&mut world, id, &promise(id, 5, money, 1)), Ok(1));
    assert_eq!(refused(&mut world, &like(id, 5, true, u32::MAX)), "counter_too_high");
    assert_eq!(refused(&mut world, &like(TaskId([9; 32]), 5, true, 1)), "other_task");
    let unknown = world.book.say(NET, &TaskId([9; 32]), &like(TaskId([9; 32]), 5, true, 1)).unwrap_err();
    assert_eq!(unknown.code(), "unknown_wish");
    assert_eq!(
        world.book.say(Network::Signet, &id, &like(id, 5, true, 1)).unwrap_err().code(),
        "other_network"
    );
    let Word::Like(mut stolen) = like(id, 2, true, 9) else { panic!("a like") };
    stolen.statement.by = public(3);
    assert_eq!(refused(&mut world, &Word::Like(stolen)), "bad_signature");
    for counter in 2..=u32::try_from(MAX_WORDS_OF_KEY).unwrap() {
        say(&mut world, id, &like(id, 4, counter % 2 == 0, counter)).unwrap();
    }
    assert_eq!(refused(&mut world, &like(id, 4, true, 1_000)), "too_many_words");
    assert_eq!(say(&mut world, id, &promise(id, 4, 1, 1_000)), Ok(1), "of one kind, not of all");
}

fn withdrawal(task: TaskId, by: u8, signer: u8) -> Signed<Withdrawal> {
    signed(Withdrawal { network: NET, task, by: public(by) }, signer)
}

#[test]
fn whoever_wrote_it_withdraws_it_once_and_then_it_takes_only_what_takes_back() {
    let (mut world, id) = wished();
    let lines = withdrawal(id, 1, 1).statement.lines();
    assert_eq!(lines, format!("network: regtest\ntask: {id}\nby: {}\n", public(1)));
    set(&mut world, 5, true, 1);
    say(&mut world, id, &like(id, 2, true, 1)).unwrap();
    say(&mut world, id, &promise(id, 2, 5_000, 1)).unwrap();
    say(&mut world, id, &develop(id, 3, OfferChoice::Accept, None, 1)).unwrap();
    let code = |world: &World, signed: &Signed<Withdrawal>, wish: TaskId| {
        world.book.withdraw_wish(NET, &wish, signed).unwrap_err().code()
    };
    assert_eq!(code(&world, &withdrawal(id, 2, 2), id), "not_author");
    assert_eq!(code(&world, &withdrawal(id, 1, 2), id), "bad_signature", "in another's name");
    let elsewhere = TaskId([3; 32]);
    assert_eq!(code(&world, &withdrawal(elsewhere, 1, 1), id), "other_task", "replayed at another wish");
    assert_eq!(code(&world, &withdrawal(elsewhere, 1, 1), elsewhere), "unknown_wish");
    let foreign = signed(Withdrawal { network: Network::Signet, task: id, by: public(1) }, 1);
    assert_eq!(code(&world, &foreign, id), "other_network");
    // A like says the same lines with two more: signatures are of one kind of statement only.
    let crossed = Signed {
        statement: withdrawal(id, 1, 1).statement,
        signature: signed(Like { network: NET, task: id, by: public(1), like: true, counter: 1 }, 1)
            .signature,
    };
    assert_eq!(code(&world, &crossed, id), "bad_signature");

    let records = world.book.withdraw_wish(NET, &id, &withdrawal(id, 1, 1)).unwrap();
    assert_eq!(records.len(), 1);
    keep(&mut world, &records);
    assert_eq!(state(&world, id).withdrawn().unwrap().at_mtp_secs, mtp(&world));
    assert_eq!(world.book.withdraw_wish(NET, &id, &withdrawal(id, 1, 1)).unwrap(), [], "twice is once");
    assert_eq!(world.book.write_wish(NET, &signed(wish(1), 1), TEXT).unwrap(), (id, Vec::new()), "final");
    assert!(world.book.apply(&records[0]).is_err(), "and once in the journal");
    assert_eq!(world.book.wishes_for("https://example.org/parser"), Vec::<&WishState>::new());

    let until = Some(mtp(&world) + 60);
    for new in [
        like(id, 4, true, 1),
        like(id, 2, true, 2),
        promise(id, 2, 1, 2),
        develop(id, 4, OfferChoice::Accept, None, 1),
        develop(id, 4, OfferChoice::Reserve, until, 1),
        lead(id, 5, LeadChoice::Accept, None, 1),
        lead(id, 5, LeadChoice::None, Some(1), 1),
    ] {
        assert_eq!(say(&mut world, id, &new).unwrap_err().code(), "wish_withdrawn", "{new:?}");
        let event = WishEvent::WordSaid { word: new, at_mtp_secs: 0 };
        assert!(world.book.apply(&Record::Wish { wish: id, event }).is_err(), "nor from a forged journal");
    }
    assert_eq!(say(&mut world, id, &like(id, 2, true, 1)), Ok(0), "said before, and no news");
    for back in [
        like(id, 2, false, 2),
        promise(id, 2, 0, 2),
        develop(id, 3, OfferChoice::Decline, None, 2),
        develop(id, 3, OfferChoice::Release, None, 3),
        lead(id, 5, LeadChoice::Decline, None, 1),
    ] {
        assert_eq!(say(&mut world, id, &back), Ok(1), "{back:?}");
    }
    let wish = state(&world, id);
    assert_eq!((wish.likes(), wish.promised(), wish.developers()), (vec![], Amount::ZERO, vec![]));
}

#[test]
fn one_reservation_holds_until_its_second_is_over() {
    let (mut world, id) = wished();
    let now = mtp(&world);
    let reserve = |n, until: u32, counter| develop(id, n, OfferChoice::Reserve, Some(until), counter);
    for (until, code) in [
        (now, "reservation_time"),
        (now + MAX_RESERVATION_SECS + 1, "reservation_time"),
        (0, "reservation_time"),
    ] {
        assert_eq!(say(&mut world, id, &reserve(2, until, 1)).unwrap_err().code(), code, "{until}");
    }
    let without = develop(id, 2, OfferChoice::Reserve, None, 1);
    assert_eq!(say(&mut world, id, &without).unwrap_err().code(), "reservation_time");
    let stray = develop(id, 2, OfferChoice::Accept, Some(now + 10), 1);
    assert_eq!(say(&mut world, id, &stray).unwrap_err().code(), "statement_field");
    let wrong = offer(id, 2, OfferedSeat::Representative, OfferChoice::Reserve, Some(now + 10), 1);
    assert_eq!(say(&mut world, id, &wrong).unwrap_err().code(), "statement_field");

    let until = now + 3_600;
    say(&mut world, id, &reserve(2, until, 1)).unwrap();
    let held = Some(Reservation { by: public(2), until_secs: until });
    for (at, holds) in [(until - 1, true), (until, true), (until + 1, false)] {
        assert_eq!(state(&world, id).reservation(at).is_some(), holds, "{at}");
    }
    assert_eq!(say(&mut world, id, &reserve(3, until, 1)).unwrap_err().code(), "reserved");
    say(&mut world, id, &develop(id, 3, OfferChoice::Accept, None, 1)).unwrap();
    assert_eq!(state(&world, id).reservation(now), held, "an offer of another does not end it");
    say(&mut world, id, &develop(id, 2, OfferChoice::Accept, None, 2)).unwrap();
    assert_eq!(state(&world, id).reservation(now), held, "nor does its own");
    // An old word under a lower counter, with a time that was never looked at, reserves nothing.
    say(&mut world, id, &develop(id, 4, OfferChoice::Accept, None, 5)).unwrap();
    let far = reserve(4, u32::MAX, 4);
    assert_eq!(say(&mut world, id, &far).unwrap_err().code(), "reservation_time");
    say(&mut world, id, &reserve(2, until + 60, 3)).unwrap();
    assert_eq!(state(&world, id).reservation(until + 60).map(|held| held.by), Some(public(2)), "moved");
    say(&mut world, id, &develop(id, 2, OfferChoice::Release, None, 4)).unwrap();
    assert_eq!(state(&world, id).reservation(now), None);
    say(&mut world, id, &reserve(3, now + 10, 2)).unwrap();
    world.advance_to(now + 10);
    assert_eq!(
        say(&mut world, id, &reserve(2, until, 5)).unwrap_err().code(),
        "reserved",
        "in its last second"
    );
    world.advance_to(now + 11);
    assert_eq!(say(&mut world, id, &reserve(2, until, 5)), Ok(1), "the second after");
}

#[test]
fn whoever_wished_it_represents_unless_they_do_the_work_or_say_no() {
    let (mut world, id) = wished();
    let represent = |n, choice, counter| offer(id, n, OfferedSeat::Representative, choice, None, counter);
    assert_eq!(state(&world, id).representative(), Some(public(1)));
    say(&mut world, id, &represent(2, OfferChoice::Accept, 1)).unwrap();
    assert_eq!(state(&world, id).representative(), Some(public(1)));
    say(&mut world, id, &develop(id, 1, OfferChoice::Accept, None, 1)).unwrap();
    assert_eq!(state(&world, id).representative(), Some(public(2)), "never both");
    say(&mut world, id, &represent(1, OfferChoice::Accept, 1)).unwrap();
    assert_eq!(state(&world, id).representatives(), vec![public(2)]);
    say(&mut world, id, &develop(id, 1, OfferChoice::Decline, None, 2)).unwrap();
    assert_eq!(state(&world, id).representative(), Some(public(1)));
    say(&mut world, id, &represent(1, OfferChoice::Decline, 2)).unwrap();
    say(&mut world, id, &represent(2, OfferChoice::Decline, 2)).unwrap();
    assert_eq!(state(&world, id).representative(), None);
}

#[test]
fn only_the_leader_orders_and_an_open_charter_says_who_that_is() {
    let (mut world, id) = wished();
    let early = say(&mut world, id, &lead(id, 7, LeadChoice::Accept, Some(1), 1)).unwrap_err();
    assert_eq!(early.code(), "not_leader", "nobody leads yet");
    set(&mut world, 7, true, 1);
    set(&mut world, 8, false, 1);
    assert_eq!(say(&mut world, id, &lead(id, 7, LeadChoice::Accept, Some(1), 1)), Ok(1));
    let late = say(&mut world, id, &lead(id, 8, LeadChoice::Decline, None, 1)).unwrap_err();
    assert_eq!(late.code(), "not_leader", "the second claim does not lead");
    let zero = say(&mut world, id, &lead(id, 7, LeadChoice::Accept, Some(0), 2)).unwrap_err();
    assert_eq!(zero.code(), "statement_field");
    let led = |world: &World| {
        let leader = world.book.leader("https://example.org/parser").map(|leader| leader.key);
        (leader, state(world, id).lead(leader.as_ref()))
    };
    assert_eq!(led(&world), (Some(public(7)), (LeadChoice::Accept, Some(1))));
    assert_eq!(say(&mut world, id, &like(id, 2, true, 1)), Ok(1));

    // A charter that three attested names person 8.
    let mut fields = testing::fields(NET);
    fields.task = id;
    fields.leader.as_mut().unwrap().key = public(8).to_string();
    world.draft(&fields);
    assert_eq!(led(&world).0, Some(public(7)), "a draft says nothing");
    world.attest_all();
    assert_eq!(led(&world), (Some(public(8)), (LeadChoice::None, None)));
    assert_eq!(say(&mut world, id, &like(id, 3, true, 1)).unwrap_err().code(), "likes_off");
    assert_eq!(say(&mut world, id, &like(id, 2, false, 2)), Ok(1), "taking back is always heard");
    assert_eq!(say(&mut world, id, &lead(id, 8, LeadChoice::Decline, None, 1)), Ok(1));
    assert_eq!(led(&world).1, (LeadChoice::Decline, None));
    let wish = state(&world, id);
    assert_eq!(world.book.charters_of(wish).map(Task::id).collect::<Vec<_>>(), vec![world.id]);
}

/// Words of a few keys, no two of one key and kind under one counter.
fn words() -> impl Strategy<Value = Vec<(u8, u8, u32, u64)>> {
    proptest::collection::btree_map((2_u8..5, 0_u8..4, 0_u32..6), 0_u64..3, 1..20).prop_map(|words| {
        words.into_iter().map(|((n, kind, counter), value)| (n, kind, counter, value)).collect()
    })
}

fn word_of(id: TaskId, (n, kind, counter, value): (u8, u8, u32, u64)) -> Word {
    let choice = if value == 0 { OfferChoice::Decline } else { OfferChoice::Accept };
    match kind {
        0 => like(id, n, value > 0, counter),
        1 => promise(id, n, value, counter),
        2 => develop(id, n, choice, None, counter),
        _ => offer(id, n, OfferedSeat::Representative, choice, None, counter),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_delivery_changes_nothing_and_twice_is_once(
        words in words().prop_flat_map(|words| (Just(words.clone()), Just(words).prop_shuffle())),
    ) {
        let (fresh, id) = wished();
        let (given, shuffled) = words;
        let counts = |order: &[(u8, u8, u32, u64)]| {
            let mut world = fresh.clone();
            for word in order {
                prop_assert_eq!(say(&mut world, id, &word_of(id, *word)), Ok(1));
                prop_assert_eq!(say(&mut world, id, &word_of(id, *word)), Ok(0));
            }
            let wish = state(&world, id);
            let sorted = |mut keys: Vec<XOnlyPublicKey>| {
                keys.sort_unstable();
                keys
            };
            let mut promises = wish.promises();
            promises.sort_unstable();
            Ok((
                sorted(wish.likes()),
                promises,
                sorted(wish.developers()),
                sorted(wish.representatives()),
                wish.said().len(),
            ))
        };
        prop_assert_eq!(counts(&given)?, counts(&shuffled)?);
    }

    #[test]
    fn at_any_time_one_reservation_holds_at_most(
        tries in proptest::collection::vec((2_u8..6, 0_u8..3, 0_u32..5_000, 0_u32..900), 1..25),
    ) {
        let (mut world, id) = wished();
        for (counter, (n, what, ahead, wait)) in (1_u32..).zip(tries) {
            let now = mtp(&world);
            let before = state(&world, id).reservation(now);
            let word = match what {
                0 => develop(id, n, OfferChoice::Release, None, counter),
                1 => develop(id, n, OfferChoice::Accept, None, counter),
                _ => develop(id, n, OfferChoice::Reserve, Some(now + ahead), counter),
            };
            let taken = say(&mut world, id, &word).is_ok();
            let after = state(&world, id).reservation(now);
            if let (Some(held), true) = (before, after != before) {
                prop_assert!(taken && held.by == public(n), "only its owner moves or ends it");
            }
            let wish = state(&world, id);
            let holding = (2..6).filter(|n| wish.reservation_of(&public(*n), now).is_some()).count();
            prop_assert!(holding <= 1);
            world.advance_to(now + wait);
        }
    }
}

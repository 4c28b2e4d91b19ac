//! Wishes, words and claims as events: each once, under ids that leave those of tasks where they were.

use super::super::*;
use crate::escrow::book::Book;
use crate::escrow::charter::{Charter, CharterFields};
use crate::escrow::event::{Record, WishEvent};
use crate::escrow::network::Network;
use crate::escrow::project::{Project, ProjectWithdrawal};
use crate::escrow::statement::{Digest, Signed, Statement};
use crate::escrow::testing::{self, World};
use crate::escrow::wish::{
    Lead, LeadChoice, Like, Offer, OfferChoice, OfferedSeat, Promise, Wish, Withdrawal, Word,
};
use bitcoin::secp256k1::{Secp256k1, XOnlyPublicKey};

const NET: Network = Network::Regtest;
const TEXT: &str = "# Read dates\n\nBefore 1970.";

fn key(n: u8) -> XOnlyPublicKey {
    testing::sponsor(n).x_only_public_key().0
}

fn signed<S: Statement>(statement: S, n: u8) -> Signed<S> {
    Signed::new(&Secp256k1::new(), statement, &testing::sponsor(n))
}

fn repository() -> String {
    testing::fields(NET).repository
}

fn wish(n: u8) -> Wish {
    let text_hash = Digest::of(TEXT.as_bytes());
    Wish { network: NET, repository: repository(), link: None, text_hash, by: key(n) }
}

fn claim(n: u8, name: &str, counter: u32) -> Signed<Project> {
    let project = Project {
        network: NET,
        repository: repository(),
        name: name.into(),
        description: "Reads dates".into(),
        licence: "MIT".into(),
        arbiter: None,
        leader_address: None,
        leader_share_bps: 0,
        minimum_pledge_sat: 10_000,
        donations: None,
        likes: true,
        published: None,
        by: key(n),
        counter,
    };
    signed(project, n)
}

/// A journal under way.
struct Telling {
    book: Book,
    records: Vec<Record>,
}

impl Telling {
    fn new() -> Telling {
        let mut world = World::bare(&testing::fields(NET));
        world.sync();
        let records = world.log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        Telling { book: world.book, records }
    }

    fn keep(&mut self, records: Vec<Record>) {
        assert_eq!(records.len(), 1);
        for record in records {
            // As it is stored.
            let line = serde_json::to_string(&record).unwrap();
            let record: Record = serde_json::from_str(&line).unwrap();
            self.book.apply(&record).unwrap();
            self.records.push(record);
        }
    }

    fn say(&mut self, word: &Word) {
        let records = self.book.say(NET, &word.task(), word).unwrap();
        self.keep(records);
    }

    fn set(&mut self, claim: &Signed<Project>) {
        let (_, records) = self.book.set_project(NET, claim).unwrap();
        self.keep(records);
    }

    fn draft(&mut self, task: TaskId, text: &str, repository: &str) -> CharterId {
        let fields = testing::fields(NET);
        let text_hash = Digest::of(text.as_bytes());
        let repository = repository.to_owned();
        let charter = Charter::from_fields(CharterFields { task, text_hash, repository, ..fields }).unwrap();
        let (id, records) = self.book.draft(charter.bytes(), text, None).unwrap();
        self.keep(records);
        id
    }

    /// Everything told of these records.
    fn told(records: &[Record]) -> Vec<PublicEvent> {
        let (mut book, mut feed, mut told) = (Book::default(), Feed::default(), Vec::new());
        for (seq, record) in (1_u64..).zip(records) {
            book.apply(record).unwrap();
            told.extend(feed.apply(Entry { seq, at_secs: 1_000, more: false }, record, &book));
        }
        told
    }
}

/// The whole road before a charter, and the charter.
fn road() -> (Telling, TaskId, CharterId) {
    let mut telling = Telling::new();
    let (task, records) = telling.book.write_wish(NET, &signed(wish(1), 1), TEXT).unwrap();
    telling.keep(records);
    let by = key(2);
    let like = |like, counter| Word::Like(signed(Like { network: NET, task, by, like, counter }, 2));
    let promise = |amount_sat, counter| {
        Word::Promise(signed(Promise { network: NET, task, by, amount_sat, counter }, 2))
    };
    let mtp_secs = telling.book.tip().unwrap().mtp_secs;
    let offer = |seat, choice, until, counter| {
        Word::Offer(signed(Offer { network: NET, task, by, seat, choice, until, counter }, 2))
    };
    telling.say(&like(true, 3));
    telling.say(&like(true, 2));
    telling.say(&like(false, 4));
    telling.say(&promise(50_000, 1));
    telling.say(&promise(0, 2));
    telling.say(&offer(OfferedSeat::Developer, OfferChoice::Reserve, Some(mtp_secs + 60), 1));
    telling.say(&offer(OfferedSeat::Developer, OfferChoice::Release, None, 2));
    telling.say(&offer(OfferedSeat::Representative, OfferChoice::Accept, None, 1));
    telling.say(&offer(OfferedSeat::Representative, OfferChoice::Decline, None, 2));
    telling.set(&claim(5, "Parser", 1));
    let lead =
        Lead { network: NET, task, by: key(5), choice: LeadChoice::Accept, place: Some(1), counter: 1 };
    telling.say(&Word::Lead(signed(lead, 5)));
    let charter = telling.draft(task, TEXT, &repository());
    (telling, task, charter)
}

#[test]
fn everything_said_is_told_once_with_who_signed_it() {
    let (mut telling, task, charter) = road();
    telling.set(&claim(5, "The parser", 2));
    let withdrawn = ProjectWithdrawal { network: NET, repository: repository(), by: key(5), counter: 3 };
    let (_, records) = telling.book.withdraw_project(NET, &signed(withdrawn, 5)).unwrap();
    telling.keep(records);
    telling.set(&claim(5, "Again", 4));
    let withdrawal = signed(Withdrawal { network: NET, task, by: key(1) }, 1);
    let records = telling.book.withdraw_wish(NET, &task, &withdrawal).unwrap();
    telling.keep(records);

    let told = Telling::told(&telling.records);
    assert_eq!(told, Telling::told(&telling.records), "the same journal tells the same");
    let before: Vec<_> = told.iter().filter(|event| event.charter.is_none()).collect();
    let kinds: Vec<_> = told.iter().map(|event| event.what.kind()).collect();
    assert_eq!(
        kinds,
        [
            "wish_written",
            "wish_liked",
            "wish_liked",
            "wish_unliked",
            "promise_made",
            "promise_withdrawn",
            "wish_reserved",
            "wish_released",
            "seat_offered",
            "seat_declined",
            "project_claimed",
            "wish_judged",
            "task_drafted",
            "wish_chartered",
            "project_changed",
            "project_withdrawn",
            "project_claimed",
            "wish_withdrawn",
        ]
    );
    // The like that came late under a lower counter never counted.
    let Some(What::WishLiked(late)) = before.get(2).map(|event| &event.what) else { panic!("{before:?}") };
    assert_eq!(*late, Spoken { counter: 2, counts: false });
    assert!(in_words(before[2]).contains("before what the same key said later"));
    for event in &before {
        let by = event.signed_by.expect("every word is signed");
        let leads = matches!(event.what, What::WishJudged { .. });
        assert_eq!(by.part, if leads { Part::Leader } else { Part::Identity });
        assert_eq!((by.form, by.fingerprint), (Form::Bip340, None));
        let of_project = event.what.kind().starts_with("project_");
        assert_eq!(event.wish, (!of_project).then_some(task));
        assert_eq!((event.project, event.pledge), (ProjectId::of(&repository()), None));
        assert_eq!(source(event), Source::Signed);
        assert!(event.at.is_some() && !in_words(event).is_empty());
        let json = serde_json::to_value(event).unwrap();
        assert!(json.get("charter").is_none());
        assert_eq!(serde_json::from_value::<PublicEvent>(json).unwrap(), **event);
    }
    assert_eq!(before[0].signed_by.unwrap().key, Some(key(1)));
    assert_eq!(before[1].signed_by.unwrap().key, Some(key(2)));
    let chartered = &told[13];
    assert_eq!((chartered.charter, chartered.wish), (Some(charter), Some(task)));
    assert_eq!((source(chartered), chartered.signed_by), (Source::Nobody, None), "a draft binds nobody");
    // It stands behind the draft, whose id is what it was.
    assert_eq!(chartered.id, EventId { seq: told[12].id.seq, place: told[12].id.place + 1 });
    assert!(told.windows(2).all(|pair| pair[0].id < pair[1].id));
}

/// Of tasks nothing is told otherwise because there are wishes: same ids, same JSON.
#[test]
fn what_was_told_of_tasks_is_told_as_before() {
    let (telling, ..) = road();
    let of_tasks = |events: Vec<PublicEvent>| -> Vec<serde_json::Value> {
        let tasks = events.iter().filter(|event| event.wish.is_none() && event.charter.is_some());
        tasks.map(|event| serde_json::to_value(event).unwrap()).collect()
    };
    let with = of_tasks(Telling::told(&telling.records));
    // As a version told it that knew nothing of wishes: their records are there, and pass.
    let (mut book, mut feed, mut without) = (Book::default(), Feed::default(), Vec::new());
    for (seq, record) in (1_u64..).zip(&telling.records) {
        if matches!(record, Record::Wish { .. } | Record::Project { .. }) {
            continue;
        }
        book.apply(record).unwrap();
        without.extend(feed.apply(Entry { seq, at_secs: 1_000, more: false }, record, &book));
    }
    assert_eq!(with, of_tasks(without));
    assert_eq!(with.len(), 1);
    let drafted = with[0].as_object().unwrap();
    let keys: Vec<_> = drafted.keys().map(String::as_str).collect();
    assert_eq!(keys, ["at", "charter", "data", "id", "project", "recorded_secs", "repository", "type"]);
}

#[test]
fn only_a_charter_of_the_wish_is_told_of_it_also_if_it_was_there_first() {
    let mut telling = Telling::new();
    let task = wish(1).id();
    let early = telling.draft(task, TEXT, &repository());
    telling.draft(task, TEXT, "https://example.org/elsewhere");
    let (_, records) = telling.book.write_wish(NET, &signed(wish(1), 1), TEXT).unwrap();
    telling.keep(records);
    telling.draft(TaskId([9; 32]), TEXT, &repository());
    let told = Telling::told(&telling.records);
    let of_wish: Vec<_> = told.iter().filter(|event| event.wish == Some(task)).collect();
    assert_eq!(
        of_wish.iter().map(|e| (e.what.kind(), e.charter)).collect::<Vec<_>>(),
        [("wish_written", None), ("wish_chartered", Some(early)),]
    );
    assert_eq!(told.iter().filter(|event| event.what.kind() == "task_drafted").count(), 3);
    // A forged record of a wish is refused before it is told.
    let forged = WishEvent::WishWithdrawn {
        withdrawal: signed(Withdrawal { network: NET, task, by: key(2) }, 2),
        at_mtp_secs: 0,
    };
    assert!(telling.book.apply(&Record::Wish { wish: task, event: forged }).is_err());
}

//! What is hidden is told to nobody, and everything else is.

use super::*;
use crate::escrow::book::Book;
use crate::escrow::network::Network;
use crate::escrow::public::{Entry, Feed};
use crate::escrow::statement::{Digest, Signed};
use crate::escrow::testing::{self, World};
use crate::escrow::wish::{Like, Wish, Word};
use bitcoin::secp256k1::Secp256k1;

const NET: Network = Network::Regtest;

fn key(n: u8) -> XOnlyPublicKey {
    testing::sponsor(n).x_only_public_key().0
}

/// Two wishes by persons 1 and 2, each liked by 2 and 3: what is told of them.
fn told() -> (Book, Vec<PublicEvent>, Vec<TaskId>) {
    let mut world = World::bare(&testing::fields(NET));
    world.sync();
    let (mut feed, mut events, mut seq) = (Feed::default(), Vec::new(), 0);
    let mut wishes = Vec::new();
    let mut keep = |book: &mut Book, records: Vec<crate::escrow::event::Record>| {
        for record in records {
            book.apply(&record).unwrap();
            seq += 1;
            events.extend(feed.apply(Entry { seq, at_secs: 0, more: false }, &record, book));
        }
    };
    for n in [1, 2] {
        let text = format!("Wish {n}");
        let text_hash = Digest::of(text.as_bytes());
        let wish = Wish { network: NET, repository: "x".into(), link: None, text_hash, by: key(n) };
        let signed = Signed::new(&Secp256k1::new(), wish, &testing::sponsor(n));
        let (task, records) = world.book.write_wish(NET, &signed, &text).unwrap();
        keep(&mut world.book, records);
        for by in [2, 3] {
            let like = Like { network: NET, task, by: key(by), like: true, counter: 1 };
            let word = Word::Like(Signed::new(&Secp256k1::new(), like, &testing::sponsor(by)));
            let records = world.book.say(NET, &task, &word).unwrap();
            keep(&mut world.book, records);
        }
        wishes.push(task);
    }
    (world.book, events, wishes)
}

#[test]
fn a_hidden_wish_and_a_hidden_key_are_told_to_nobody() {
    let (book, events, wishes) = told();
    assert_eq!(events.len(), 6);
    let left = |hidden: &Hidden| -> Vec<_> {
        let left = events.iter().filter(|event| !hidden.event(event, &book));
        left.map(|event| (event.wish.unwrap(), event.signed_by.unwrap().key.unwrap())).collect()
    };
    assert_eq!(left(&Hidden::default()).len(), 6);
    let hidden = Hidden { wishes: [wishes[0]].into(), ..Hidden::default() };
    assert_eq!(left(&hidden), [2, 2, 3].map(|n| (wishes[1], key(n))));
    // A key's wishes with all that was said to them, and its words to the others'.
    let hidden = Hidden { keys: [key(2)].into(), ..Hidden::default() };
    assert_eq!(left(&hidden), [1, 3].map(|n| (wishes[0], key(n))));
    let state = book.wishes().get(&wishes[1]).unwrap();
    assert!(hidden.wish(state) && !hidden.wish(book.wishes().get(&wishes[0]).unwrap()));
}

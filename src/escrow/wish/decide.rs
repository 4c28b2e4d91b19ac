//! From a statement to records, or to why it is not kept. What was said before gives no records.

use super::{Offer, OfferChoice, OfferedSeat, Wish, WishRefused, WishState, Withdrawal, Word};
use crate::escrow::book::Book;
use crate::escrow::charter::{address, unseen};
use crate::escrow::event::{Record, WishEvent};
use crate::escrow::facts::Tip;
use crate::escrow::keys::SECP;
use crate::escrow::network::{DAY_SECS, Network};
use crate::escrow::signature::Speaker;
use crate::escrow::statement::{Digest, Signed, Statement, TaskId};
use bitcoin::Amount;

/// Longest text of a wish, as of a task.
pub const MAX_TEXT_BYTES: usize = 65_536;
/// Most wishes kept of everybody.
pub const MAX_WISHES: usize = 10_000;
/// Most of one key.
pub const MAX_WISHES_OF_KEY: usize = 100;
/// Most words of one kind that one key may say to one wish.
pub const MAX_WORDS_OF_KEY: usize = 32;
/// Most words to one wish. Keys are free: this keeps one wish from filling the memory.
pub const MAX_WORDS: usize = 20_000;
/// Longest reservation.
pub const MAX_RESERVATION_SECS: u32 = 30 * DAY_SECS;
/// Last place in a leader's order.
const MAX_PLACE: u32 = 1_000_000;

impl Book {
    /// Writes a wish down. Again gives no records.
    ///
    /// # Errors
    /// [`WishRefused`], the first rule that is broken.
    pub fn write_wish(
        &self,
        network: Network,
        signed: &Signed<Wish>,
        text: &str,
    ) -> Result<(TaskId, Vec<Record>), WishRefused> {
        let wish = &signed.statement;
        same_network(Wish::NAME, network, wish.network)?;
        check_line("repository", &wish.repository, 300)?;
        wish.link.as_deref().map_or(Ok(()), |link| check_link("link", link))?;
        if text.trim().is_empty() {
            return Err(WishRefused::Text { reason: "is empty: say what should be done" });
        }
        if text.len() > MAX_TEXT_BYTES {
            let reason = "is longer than 65536 bytes: put the rest where the link leads";
            return Err(WishRefused::Text { reason });
        }
        if Digest::of(text.as_bytes()) != wish.text_hash {
            let reason = "does not have the hash that the wish names: send the very bytes that were hashed";
            return Err(WishRefused::Text { reason });
        }
        signed.verify(&SECP, &Speaker::identity(wish.by))?;
        let id = wish.id();
        if self.wishes().get(&id).is_some() {
            return Ok((id, Vec::new()));
        }
        let tip = self.tip().ok_or(WishRefused::NoTip)?;
        if self.wishes().len() >= MAX_WISHES {
            return Err(WishRefused::TooManyWishes { max: MAX_WISHES, whose: "everybody" });
        }
        let own = self.wishes().in_order().filter(|known| known.by() == wish.by).count();
        if own >= MAX_WISHES_OF_KEY {
            return Err(WishRefused::TooManyWishes { max: MAX_WISHES_OF_KEY, whose: "this key" });
        }
        let text = text.to_owned();
        let event = WishEvent::WishWritten { wish: signed.clone(), text, at_mtp_secs: tip.mtp_secs };
        Ok((id, vec![Record::Wish { wish: id, event }]))
    }

    /// Keeps a word to a wish. Again gives no records.
    ///
    /// # Errors
    /// [`WishRefused`], the first rule that is broken.
    pub fn say(&self, network: Network, wish: &TaskId, word: &Word) -> Result<Vec<Record>, WishRefused> {
        same_network(word.name(), network, word.network())?;
        if word.task() != *wish {
            return Err(WishRefused::OtherWish { what: word.name() });
        }
        let state = self.wishes().get(wish).ok_or(WishRefused::UnknownWish { wish: *wish })?;
        word.verify()?;
        if state.knows(word) {
            return Ok(Vec::new());
        }
        let tip = self.tip().ok_or(WishRefused::NoTip)?;
        self.may_say(state, word, tip)?;
        let event = WishEvent::WordSaid { word: word.clone(), at_mtp_secs: tip.mtp_secs };
        Ok(vec![Record::Wish { wish: *wish, event }])
    }

    /// Takes a wish back, for whoever wrote it. Again gives no records.
    ///
    /// # Errors
    /// [`WishRefused`], the first rule that is broken.
    pub fn withdraw_wish(
        &self,
        network: Network,
        wish: &TaskId,
        signed: &Signed<Withdrawal>,
    ) -> Result<Vec<Record>, WishRefused> {
        let statement = &signed.statement;
        same_network(Withdrawal::NAME, network, statement.network)?;
        if statement.task != *wish {
            return Err(WishRefused::OtherWish { what: Withdrawal::NAME });
        }
        let state = self.wishes().get(wish).ok_or(WishRefused::UnknownWish { wish: *wish })?;
        if statement.by != state.by() {
            return Err(WishRefused::NotAuthor { by: statement.by });
        }
        signed.verify(&SECP, &Speaker::identity(statement.by))?;
        if state.withdrawn().is_some() {
            return Ok(Vec::new());
        }
        let tip = self.tip().ok_or(WishRefused::NoTip)?;
        let event = WishEvent::WishWithdrawn { withdrawal: signed.clone(), at_mtp_secs: tip.mtp_secs };
        Ok(vec![Record::Wish { wish: *wish, event }])
    }

    fn may_say(&self, wish: &WishState, word: &Word, tip: &Tip) -> Result<(), WishRefused> {
        let (kind, by) = (word.kind(), word.by());
        check_counter(word.counter(), wish.uses_counter(word), || {
            wish.newest(kind, &by).map_or(0, |said| said.word.counter())
        })?;
        if wish.withdrawn().is_some() && !word.takes_back() {
            return Err(WishRefused::Withdrawn);
        }
        if wish.of(kind, &by).count() >= MAX_WORDS_OF_KEY {
            return Err(WishRefused::TooManyWords { max: MAX_WORDS_OF_KEY });
        }
        // Who has spoken can always take it back.
        if wish.said().len() >= MAX_WORDS && wish.newest(kind, &by).is_none() {
            return Err(WishRefused::WishFull { max: MAX_WORDS });
        }
        match word {
            Word::Like(like) if like.statement.like && !self.takes_likes(wish.repository()) => {
                Err(WishRefused::LikesOff)
            }
            Word::Like(_) => Ok(()),
            Word::Promise(promise) if promise.statement.amount_sat > Amount::MAX_MONEY.to_sat() => {
                Err(WishRefused::PromiseAmount)
            }
            Word::Promise(_) => Ok(()),
            Word::Offer(offer) => may_offer(wish, &offer.statement, tip),
            Word::Lead(lead) => {
                if lead.statement.place.is_some_and(|place| !(1..=MAX_PLACE).contains(&place)) {
                    return Err(WishRefused::Field { field: "place", reason: "is from 1 to 1000000" });
                }
                match self.leader(wish.repository()) {
                    Some(leader) if leader.key == by => Ok(()),
                    _ => Err(WishRefused::NotLeader { by }),
                }
            }
        }
    }
}

fn may_offer(wish: &WishState, offer: &Offer, tip: &Tip) -> Result<(), WishRefused> {
    let field = |field, reason| Err(WishRefused::Field { field, reason });
    let time = |reason| Err(WishRefused::ReservationTime { reason, mtp_secs: tip.mtp_secs });
    let reserving = matches!(offer.choice, OfferChoice::Reserve | OfferChoice::Release);
    if reserving && offer.seat != OfferedSeat::Developer {
        return field(
            "choice",
            "reserve and release are for developers: a representative accepts or declines",
        );
    }
    match (offer.choice, offer.until) {
        (OfferChoice::Reserve, None) => return time("say in until how long it is reserved"),
        (OfferChoice::Reserve, Some(_)) => {}
        (_, Some(_)) => return field("until", "belongs to a reservation alone: leave it out"),
        (_, None) => {}
    }
    // A word that does not count any more reserves nothing.
    let later = wish.last_but_accepting(&offer.by).is_some_and(|last| last.counter > offer.counter);
    if offer.choice != OfferChoice::Reserve || later {
        return Ok(());
    }
    let until = offer.until.unwrap_or_default();
    if until <= tip.mtp_secs {
        return time("the reservation would be over already: give a later until");
    }
    if until > tip.mtp_secs.saturating_add(MAX_RESERVATION_SECS) {
        return time(
            "a reservation lasts 30 days at most: give an earlier until, and reserve again when it ends",
        );
    }
    match wish.reservation(tip.mtp_secs) {
        Some(held) if held.by != offer.by => {
            Err(WishRefused::Reserved { by: held.by, until_secs: held.until_secs })
        }
        _ => Ok(()),
    }
}

/// A counter that was not used for something else, and leaves room for another word.
pub(in crate::escrow) fn check_counter(
    counter: u32,
    used: bool,
    newest: impl FnOnce() -> u32,
) -> Result<(), WishRefused> {
    // Whoever signed the last of all counters could never take their word back.
    if counter == u32::MAX {
        return Err(WishRefused::CounterTooHigh { counter });
    }
    if used {
        return Err(WishRefused::CounterUsed { counter, next: newest().saturating_add(1) });
    }
    Ok(())
}

pub(in crate::escrow) fn same_network(
    what: &'static str,
    ours: Network,
    given: Network,
) -> Result<(), WishRefused> {
    if ours == given { Ok(()) } else { Err(WishRefused::OtherNetwork { what, ours, given }) }
}

/// One line that shows what it is.
pub(in crate::escrow) fn check_line(field: &'static str, value: &str, max: usize) -> Result<(), WishRefused> {
    let reason = if value.trim().is_empty() {
        "must not be empty"
    } else if value.len() > max {
        "is too long"
    } else if value.trim() != value {
        "begins or ends with a space"
    } else if let Some(reason) = unseen(value) {
        reason
    } else {
        return Ok(());
    };
    Err(WishRefused::Field { field, reason })
}

/// A link that a browser may follow.
pub(in crate::escrow) fn check_link(field: &'static str, link: &str) -> Result<(), WishRefused> {
    check_line(field, link, 500)?;
    if !link.starts_with("https://") || link.contains(char::is_whitespace) || link.len() <= "https://".len() {
        let reason = "is no link: it begins with https:// and has no spaces";
        return Err(WishRefused::Field { field, reason });
    }
    Ok(())
}

/// A licence as charters name it.
pub(in crate::escrow) fn check_licence(licence: &str) -> Result<(), WishRefused> {
    check_line("licence", licence, 100)?;
    if !licence.chars().all(|c| c.is_ascii_alphanumeric() || " .-+()".contains(c)) {
        let reason = "is not an SPDX expression, such as MIT or Apache-2.0";
        return Err(WishRefused::Field { field: "licence", reason });
    }
    Ok(())
}

/// An address of the network.
pub(in crate::escrow) fn check_address(
    field: &'static str,
    text: &str,
    network: Network,
) -> Result<(), WishRefused> {
    address(field, text, network).map(drop).map_err(WishRefused::Address)
}

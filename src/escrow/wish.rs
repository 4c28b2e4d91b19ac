//! Wishes: what somebody would like to see done, and what others say to it before there is a charter. Each
//! word is a statement by an identity's key. None has power over money: a promise is a word, a
//! reservation a courtesy, and any charter may be drafted without either. A wish's id is the digest of
//! its statement, and the `task` of the charters that are drafted from it.

mod decide;
mod refused;
mod words;

pub use decide::{
    MAX_RESERVATION_SECS, MAX_TEXT_BYTES, MAX_WISHES, MAX_WISHES_OF_KEY, MAX_WORDS, MAX_WORDS_OF_KEY,
};
pub(in crate::escrow) use decide::{
    check_address, check_counter, check_licence, check_line, check_link, same_network,
};
pub use refused::WishRefused;
pub(in crate::escrow) use words::or_none;
pub use words::{
    Lead, LeadChoice, Like, Offer, OfferChoice, OfferedSeat, Promise, Wish, Withdrawal, Word, WordKind,
};

use super::book::Book;
use super::event::WishEvent;
use super::keys::SECP;
use super::public::ProjectId;
use super::signature::Speaker;
use super::statement::{BadSignature, Digest, Signed, TaskId};
use super::task::Task;
use bitcoin::Amount;
use bitcoin::secp256k1::XOnlyPublicKey;
use std::collections::BTreeMap;

/// A word with the chain's time when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What was said, signed.
    pub word: Word,
    /// Median time past then.
    pub at_mtp_secs: u32,
}

/// A wish that its author has taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// As they signed it.
    pub signed: Signed<Withdrawal>,
    /// Median time past then.
    pub at_mtp_secs: u32,
}

/// A developer's reservation that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Whose it is.
    pub by: XOnlyPublicKey,
    /// Last median time past at which it holds.
    pub until_secs: u32,
}

/// A wish with everything said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WishState {
    id: TaskId,
    signed: Signed<Wish>,
    text: String,
    at_mtp_secs: u32,
    withdrawn: Option<Withdrawn>,
    /// In the order it came.
    said: Vec<Said>,
    /// Places in `said`, by kind and key.
    places: BTreeMap<WordKind, BTreeMap<XOnlyPublicKey, Vec<usize>>>,
}

/// Every wish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    by_id: BTreeMap<TaskId, WishState>,
    /// In the order they were written down.
    order: Vec<TaskId>,
    /// Those for each repository, in the same order.
    of_project: BTreeMap<ProjectId, Vec<TaskId>>,
}

/// An event of a wish that cannot have happened: the journal was written by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishApplyError {
    /// A wish begins with its statement, once.
    #[error("the wish was written down twice, or not at all")]
    NotTheFirst,
    /// The record's id is not that of the statement.
    #[error("it was written down under the id of another wish")]
    OtherWish,
    /// The text is not the one the wish names.
    #[error("the text does not have the hash that the wish names")]
    TextHash,
    /// The signature does not verify.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// A key has said something else under this counter.
    #[error("a key says two things under one counter")]
    CounterUsed,
    /// Only who wrote it takes it back, once.
    #[error("it was withdrawn twice, or by another key than its author's")]
    NotTheAuthor,
    /// Nothing is added to what was withdrawn.
    #[error("something was said to it after it had been withdrawn, which takes nothing back")]
    Withdrawn,
}

impl WishState {
    /// Its id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// As it was signed.
    pub fn signed(&self) -> &Signed<Wish> {
        &self.signed
    }

    /// What is wished, of which its first line is the title.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Who wished it.
    pub fn by(&self) -> XOnlyPublicKey {
        self.signed.statement.by
    }

    /// The repository it is for.
    pub fn repository(&self) -> &str {
        &self.signed.statement.repository
    }

    /// Median time past when it was written down.
    pub fn at_mtp_secs(&self) -> u32 {
        self.at_mtp_secs
    }

    /// That its author has taken it back, if they have.
    pub fn withdrawn(&self) -> Option<&Withdrawn> {
        self.withdrawn.as_ref()
    }

    /// Everything said, in the order it came.
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// What a key said of one kind, in the order it came.
    pub fn of(&self, kind: WordKind, by: &XOnlyPublicKey) -> impl DoubleEndedIterator<Item = &Said> {
        let places = self.places.get(&kind).and_then(|keys| keys.get(by));
        places.into_iter().flatten().filter_map(|place| self.said.get(*place))
    }

    /// The word of a key that counts: the one with the highest counter.
    pub fn newest(&self, kind: WordKind, by: &XOnlyPublicKey) -> Option<&Said> {
        self.of(kind, by).max_by_key(|said| said.word.counter())
    }

    /// Everybody's word of one kind that counts, in the order their first of the kind came.
    fn all_newest(&self, kind: WordKind) -> Vec<&Said> {
        let keys = self.places.get(&kind).into_iter().flatten();
        let mut found: Vec<(usize, &Said)> =
            keys.filter_map(|(by, places)| Some((*places.first()?, self.newest(kind, by)?))).collect();
        found.sort_by_key(|(place, _)| *place);
        found.into_iter().map(|(_, said)| said).collect()
    }

    /// Who likes it.
    pub fn likes(&self) -> Vec<XOnlyPublicKey> {
        let likes = |said: &&Said| matches!(&said.word, Word::Like(like) if like.statement.like);
        self.all_newest(WordKind::Like).into_iter().filter(likes).map(|said| said.word.by()).collect()
    }

    /// What is promised, and by whom.
    pub fn promises(&self) -> Vec<(XOnlyPublicKey, Amount)> {
        let promise = |said: &Said| match &said.word {
            Word::Promise(promise) if promise.statement.amount_sat > 0 => {
                Some((promise.statement.by, Amount::from_sat(promise.statement.amount_sat)))
            }
            _ => None,
        };
        self.all_newest(WordKind::Promise).into_iter().filter_map(promise).collect()
    }

    /// All promises together.
    pub fn promised(&self) -> Amount {
        let sum = self.promises().iter().map(|(_, amount)| amount.to_sat()).fold(0, u64::saturating_add);
        Amount::from_sat(sum)
    }

    /// Who offers to do the work.
    pub fn developers(&self) -> Vec<XOnlyPublicKey> {
        self.accepting(WordKind::Developer)
    }

    /// Who offers to represent the sponsors; nobody who offers to do the work.
    pub fn representatives(&self) -> Vec<XOnlyPublicKey> {
        let mut found = self.accepting(WordKind::Representative);
        found.retain(|by| !self.works(by));
        found
    }

    /// Who represents the sponsors unless somebody else is named: whoever wished it, unless they do the work
    /// or have said no.
    pub fn representative(&self) -> Option<XOnlyPublicKey> {
        let by = self.by();
        let declined = self.newest(WordKind::Representative, &by).is_some_and(
            |said| matches!(&said.word, Word::Offer(offer) if offer.statement.choice != OfferChoice::Accept),
        );
        let others = || self.representatives().into_iter().find(|other| *other != by);
        if self.works(&by) || declined { others() } else { Some(by) }
    }

    fn accepting(&self, kind: WordKind) -> Vec<XOnlyPublicKey> {
        let accepts = |said: &&Said| matches!(&said.word, Word::Offer(offer) if offer.statement.choice == OfferChoice::Accept);
        self.all_newest(kind).into_iter().filter(accepts).map(|said| said.word.by()).collect()
    }

    /// Whether a key's last word as a developer is for doing the work.
    fn works(&self, by: &XOnlyPublicKey) -> bool {
        self.newest(WordKind::Developer, by).is_some_and(|said| {
            let Word::Offer(offer) = &said.word else { return false };
            matches!(offer.statement.choice, OfferChoice::Accept | OfferChoice::Reserve)
        })
    }

    /// A developer's word that decides over a reservation: to accept does not end one.
    fn last_but_accepting(&self, by: &XOnlyPublicKey) -> Option<&Offer> {
        let offers = self.of(WordKind::Developer, by).filter_map(|said| match &said.word {
            Word::Offer(offer) if offer.statement.choice != OfferChoice::Accept => Some(&offer.statement),
            _ => None,
        });
        offers.max_by_key(|offer| offer.counter)
    }

    /// The reservation of a key, if it holds at this median time past.
    fn reservation_of(&self, by: &XOnlyPublicKey, mtp_secs: u32) -> Option<Reservation> {
        let last = self.last_but_accepting(by)?;
        let until_secs = last.until.filter(|_| last.choice == OfferChoice::Reserve)?;
        (mtp_secs <= until_secs).then_some(Reservation { by: *by, until_secs })
    }

    /// The reservation that holds at this median time past: the first to come, were there several.
    pub fn reservation(&self, mtp_secs: u32) -> Option<Reservation> {
        let keys = self.all_newest(WordKind::Developer);
        keys.into_iter().find_map(|said| self.reservation_of(&said.word.by(), mtp_secs))
    }

    /// What the project's leader says of it, and its place in the leader's order.
    pub fn lead(&self, leader: Option<&XOnlyPublicKey>) -> (LeadChoice, Option<u32>) {
        let said = leader.and_then(|leader| self.newest(WordKind::Lead, leader));
        match said.map(|said| &said.word) {
            Some(Word::Lead(lead)) => (lead.statement.choice, lead.statement.place),
            _ => (LeadChoice::None, None),
        }
    }

    /// The same words were said before.
    fn knows(&self, word: &Word) -> bool {
        self.of(word.kind(), &word.by()).any(|said| said.word.says_the_same(word))
    }

    /// Something was said by the same key, of the same kind, under the same counter: the same, or something else.
    fn uses_counter(&self, word: &Word) -> bool {
        self.of(word.kind(), &word.by()).any(|said| said.word.counter() == word.counter())
    }

    fn apply(&mut self, word: &Word, at_mtp_secs: u32) -> Result<(), WishApplyError> {
        if word.task() != self.id || word.network() != self.signed.statement.network {
            return Err(WishApplyError::OtherWish);
        }
        word.verify()?;
        if self.uses_counter(word) {
            return Err(WishApplyError::CounterUsed);
        }
        if self.withdrawn.is_some() && !word.takes_back() {
            return Err(WishApplyError::Withdrawn);
        }
        let keys = self.places.entry(word.kind()).or_default();
        keys.entry(word.by()).or_default().push(self.said.len());
        self.said.push(Said { word: word.clone(), at_mtp_secs });
        Ok(())
    }

    fn withdraw(&mut self, signed: &Signed<Withdrawal>, at_mtp_secs: u32) -> Result<(), WishApplyError> {
        let statement = &signed.statement;
        if statement.task != self.id || statement.network != self.signed.statement.network {
            return Err(WishApplyError::OtherWish);
        }
        if statement.by != self.by() || self.withdrawn.is_some() {
            return Err(WishApplyError::NotTheAuthor);
        }
        signed.verify(&SECP, &Speaker::identity(statement.by))?;
        self.withdrawn = Some(Withdrawn { signed: signed.clone(), at_mtp_secs });
        Ok(())
    }
}

impl Wishes {
    /// One of them.
    pub fn get(&self, id: &TaskId) -> Option<&WishState> {
        self.by_id.get(id)
    }

    /// All, in the order they were written down. A wish's place never changes.
    pub fn in_order(&self) -> impl DoubleEndedIterator<Item = &WishState> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }

    /// Those for a repository, in the same order.
    pub fn of<'a>(&'a self, repository: &str) -> impl DoubleEndedIterator<Item = &'a WishState> {
        let project = ProjectId::of(repository);
        let repository = repository.to_owned();
        let ids = self.of_project.get(&project).into_iter().flatten();
        let wishes = ids.filter_map(|id| self.by_id.get(id));
        wishes.filter(move |wish| wish.repository() == repository)
    }

    /// Those for the repository with this id, in the same order.
    pub fn of_project(&self, project: &ProjectId) -> impl DoubleEndedIterator<Item = &WishState> + use<'_> {
        self.of_project.get(project).into_iter().flatten().filter_map(|id| self.by_id.get(id))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Folds one event.
    pub(super) fn apply(&mut self, id: &TaskId, event: &WishEvent) -> Result<(), WishApplyError> {
        match event {
            WishEvent::WishWritten { wish, text, at_mtp_secs } => {
                if wish.statement.id() != *id {
                    return Err(WishApplyError::OtherWish);
                }
                if self.by_id.contains_key(id) {
                    return Err(WishApplyError::NotTheFirst);
                }
                if Digest::of(text.as_bytes()) != wish.statement.text_hash {
                    return Err(WishApplyError::TextHash);
                }
                wish.verify(&SECP, &Speaker::identity(wish.statement.by))?;
                let state = WishState {
                    id: *id,
                    signed: wish.clone(),
                    text: text.clone(),
                    at_mtp_secs: *at_mtp_secs,
                    withdrawn: None,
                    said: Vec::new(),
                    places: BTreeMap::new(),
                };
                self.of_project.entry(ProjectId::of(state.repository())).or_default().push(*id);
                self.by_id.insert(*id, state);
                self.order.push(*id);
                Ok(())
            }
            WishEvent::WordSaid { word, at_mtp_secs } => {
                let wish = self.by_id.get_mut(id).ok_or(WishApplyError::NotTheFirst)?;
                wish.apply(word, *at_mtp_secs)
            }
            WishEvent::WishWithdrawn { withdrawal, at_mtp_secs } => {
                let wish = self.by_id.get_mut(id).ok_or(WishApplyError::NotTheFirst)?;
                wish.withdraw(withdrawal, *at_mtp_secs)
            }
        }
    }
}

impl Book {
    /// The charters drafted from a wish, in the order they were written down: those that name it as their
    /// task and are for its repository. Anybody may draft one; what binds is what three have attested.
    pub fn charters_of(&self, wish: &WishState) -> impl Iterator<Item = &Task> {
        self.tasks_under(&wish.id).filter(|task| task.charter().fields().repository == wish.repository())
    }
}

#[cfg(test)]
mod tests;

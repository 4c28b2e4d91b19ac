//! What people say before there is a charter, as public events: wishes, the words to them, and claims to projects. Each
//! record is one act that one key signed, told once, with whether it counted when it came.

use super::signer::{Part, SignedBy, of_key};
use super::{ProjectId, Spoken, What};
use crate::escrow::event::{ProjectEvent, WishEvent};
use crate::escrow::project::{Claim, Projects};
use crate::escrow::task::title;
use crate::escrow::wish::{OfferChoice, WishState, Word};

/// What the event of a wish tells, once the wish has it.
pub(super) fn of_wish(wish: &WishState, event: &WishEvent) -> (What, Option<SignedBy>) {
    match event {
        WishEvent::WishWritten { wish, text, .. } => {
            let by = of_key(Part::Identity, wish.statement.by, &wish.signature);
            (What::WishWritten { title: title(text) }, Some(by))
        }
        WishEvent::WishWithdrawn { withdrawal, .. } => {
            let by = of_key(Part::Identity, withdrawal.statement.by, &withdrawal.signature);
            (What::WishWithdrawn {}, Some(by))
        }
        WishEvent::WordSaid { word, .. } => {
            let newest = wish.newest(word.kind(), &word.by());
            let counts = newest.is_some_and(|said| said.word.counter() == word.counter());
            let part = if matches!(word, Word::Lead(_)) { Part::Leader } else { Part::Identity };
            let by = of_key(part, word.by(), word.signature());
            (of_word(word, Spoken { counter: word.counter(), counts }), Some(by))
        }
    }
}

fn of_word(word: &Word, spoken: Spoken) -> What {
    match word {
        Word::Like(like) if like.statement.like => What::WishLiked(spoken),
        Word::Like(_) => What::WishUnliked(spoken),
        Word::Promise(promise) => match promise.statement.amount_sat {
            0 => What::PromiseWithdrawn(spoken),
            amount_sat => What::PromiseMade { amount_sat, spoken },
        },
        Word::Offer(offer) => {
            let seat = offer.statement.seat;
            match offer.statement.choice {
                OfferChoice::Accept => What::SeatOffered { seat, spoken },
                OfferChoice::Decline => What::SeatDeclined { seat, spoken },
                OfferChoice::Reserve => {
                    What::WishReserved { until_secs: offer.statement.until.unwrap_or_default(), spoken }
                }
                OfferChoice::Release => What::WishReleased(spoken),
            }
        }
        Word::Lead(lead) => {
            What::WishJudged { lead: lead.statement.choice, place: lead.statement.place, spoken }
        }
    }
}

/// What the event of a project tells, once the project has it, and of which repository.
pub(super) fn of_project<'a>(
    projects: &Projects,
    project: &ProjectId,
    event: &'a ProjectEvent,
) -> Option<(&'a str, What, SignedBy)> {
    let claim = |by| projects.claims(project).iter().find(|claim| claim.by == by);
    match event {
        ProjectEvent::ProjectSet { project: signed, .. } => {
            let said = &signed.statement;
            let claim = claim(said.by)?;
            let counts = claim.settings().is_some_and(|settings| settings.counter == said.counter)
                && claim.withdrawn().is_none();
            let (name, spoken) = (said.name.clone(), Spoken { counter: said.counter, counts });
            let by = of_key(Part::Identity, said.by, &signed.signature);
            // The first of all, or the first after the claim was taken back.
            let before = before(claim, said.counter);
            let what = match before {
                Some(Last::Settings) => What::ProjectChanged { name, spoken },
                Some(Last::Withdrawal) | None => What::ProjectClaimed { name, spoken },
            };
            Some((&said.repository, what, by))
        }
        ProjectEvent::ProjectWithdrawn { withdrawal, .. } => {
            let said = &withdrawal.statement;
            let last = claim(said.by)?.withdrawn();
            let counts = last.is_some_and(|last| last.signed.statement.counter == said.counter);
            let by = of_key(Part::Identity, said.by, &withdrawal.signature);
            let spoken = Spoken { counter: said.counter, counts };
            Some((&said.repository, What::ProjectWithdrawn(spoken), by))
        }
    }
}

enum Last {
    Settings,
    Withdrawal,
}

/// What of a claim has the highest counter, but for the statement with this one.
fn before(claim: &Claim, counter: u32) -> Option<Last> {
    let settings = claim.said.iter().map(|said| said.signed.statement.counter);
    let settings = settings.filter(|known| *known != counter).max();
    let withdrawn = claim.withdrawals.iter().map(|said| said.signed.statement.counter).max();
    match (settings, withdrawn) {
        (None, None) => None,
        (settings, withdrawn) if settings > withdrawn => Some(Last::Settings),
        _ => Some(Last::Withdrawal),
    }
}

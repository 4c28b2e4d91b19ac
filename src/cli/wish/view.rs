//! Wishes in words.

use super::super::text::{Rows, inert, sat, when};
use crate::escrow::task::Stage;
use crate::escrow::wish::{LeadChoice, OfferChoice, Word};
use crate::nip98::npub;
use crate::service::views::{WishSummary, WishView, WordView};
use serde::Serialize;
use std::fmt;

/// A wish, as shown.
#[derive(Serialize)]
#[serde(transparent)]
pub struct WishReport(pub WishView);

/// Wishes, as listed.
#[derive(Serialize)]
#[serde(transparent)]
pub struct WishList(pub Vec<WishSummary>);

/// What the leader says, in words.
pub fn lead_words(wish: &WishSummary) -> String {
    let choice = match wish.lead {
        LeadChoice::Accept => "accepted",
        LeadChoice::Decline => "declined",
        LeadChoice::None => "nothing yet",
    };
    wish.place.map_or_else(|| choice.to_owned(), |place| format!("{choice}, place {place}"))
}

fn rows(wish: &WishSummary, indent: &str) -> Rows {
    let mut rows = Rows::new();
    let mut row = |label: &str, value: String| _ = rows.row(format!("{indent}{label}"), value);
    row("title", inert(&wish.title));
    row("repository", inert(&wish.repository));
    row("by", npub(&wish.by));
    if let Some(secs) = wish.withdrawn_secs {
        row("withdrawn", when(secs));
    }
    row("the leader says", lead_words(wish));
    row("likes", wish.likes.to_string());
    row("promised", format!("{} by {}", sat(wish.promised_sat), wish.promises));
    row("developers who offer", wish.developers.to_string());
    if let Some(held) = &wish.reservation {
        row("reserved", format!("by {} until {}", npub(&held.by), when(held.until_secs)));
    }
    row("charters", wish.charters.to_string());
    rows
}

impl fmt::Display for WishList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "No wishes yet.");
        }
        self.0.iter().try_for_each(|wish| write!(f, "{}\n{}", wish.wish, rows(wish, "  ")))
    }
}

/// A word in words.
fn said(view: &WordView) -> String {
    let what = match &view.word {
        Word::Like(like) if like.statement.like => "likes it".to_owned(),
        Word::Like(_) => "likes it no longer".into(),
        Word::Promise(promise) if promise.statement.amount_sat == 0 => "takes the promise back".into(),
        Word::Promise(promise) => format!("promises {}", sat(promise.statement.amount_sat)),
        Word::Offer(offer) => {
            let seat = offer.statement.seat.name();
            match (offer.statement.choice, offer.statement.until) {
                (OfferChoice::Accept, _) => format!("offers to be the {seat}"),
                (OfferChoice::Decline, _) => format!("declines to be the {seat}"),
                (OfferChoice::Reserve, until) => {
                    format!("reserves it until {}", when(until.unwrap_or_default()))
                }
                (OfferChoice::Release, _) => "ends the reservation".into(),
            }
        }
        Word::Lead(lead) => match lead.statement.choice {
            LeadChoice::Accept => "accepts it for the project".into(),
            LeadChoice::Decline => "declines it for the project".into(),
            LeadChoice::None => "orders it, without a judgement".into(),
        },
    };
    let counts = if view.counts { "" } else { " (a later word stands in its place)" };
    format!("{} {} {what}{counts}", when(view.at_secs), npub(&view.word.by()))
}

impl fmt::Display for WishReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WishReport(view) = self;
        writeln!(f, "wish {}", view.summary.wish)?;
        write!(f, "{}", rows(&view.summary, ""))?;
        if let Some(link) = &view.link {
            writeln!(f, "link: {}", inert(link))?;
        }
        writeln!(f, "\n{}\n", inert(view.text.trim()))?;
        view.developers.iter().try_for_each(|key| writeln!(f, "Offers to do the work: {}", npub(key)))?;
        if let Some(key) = &view.representative {
            writeln!(f, "Represents the sponsors unless another is named: {}", npub(key))?;
        }
        view.last_words.iter().rev().try_for_each(|word| writeln!(f, "{}", said(word)))?;
        for charter in &view.charters {
            let text = if charter.same_text { "" } else { ", with a text of its own" };
            writeln!(
                f,
                "Charter {}: {}{text}",
                charter.charter,
                super::super::task::word_of(&charter.stage)
            )?;
        }
        if view.charters.is_empty() {
            writeln!(f, "No charter yet: upfront charter new --wish {} --out FILE ...", view.summary.wish)?;
        } else if view.charters.iter().any(|charter| charter.stage == Stage::Open) {
            writeln!(f, "Fund one that is open: upfront pledge CHARTER --amount SAT --key FILE --wait")?;
        }
        Ok(())
    }
}

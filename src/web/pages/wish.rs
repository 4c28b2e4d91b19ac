//! A wish's own page: what is wished, who likes it, what is promised, who offers, what the leader says, which
//! charters came of it, and every word with who signed it.

use super::super::api::wishes::shown;
use super::super::body::Params;
use super::super::page::Query;
use super::super::{ApiError, App};
use super::pieces::{self, Progress, outward, repository_name};
use super::task::fundable;
use super::wishes::{state_tone, state_words};
use super::{Asked, Site, show as respond, stage_words, words};
use crate::escrow::book::Book;
use crate::escrow::facts::Tip;
use crate::escrow::public::ProjectId;
use crate::escrow::statement::{CharterId, Role, TaskId};
use crate::escrow::task::Task;
use crate::escrow::wish::{LeadChoice, OfferChoice, WishState, Word};
use crate::nip98::npub;
use crate::service::hidden::Hidden;
use crate::service::views::{Heard, WishSummary, WordView};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::{Deserialize, Serialize};

/// Words shown at once; `?before=N` goes on.
const WORDS: usize = 50;
/// Charters shown of those that were drafted from it.
const CHARTERS: usize = 24;
/// Keys shown that offer to take a seat.
const KEYS: usize = 24;
/// Promises shown.
const PROMISES: usize = 20;

/// Which words.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    /// Those before this number.
    before: Option<usize>,
}

#[derive(Serialize)]
struct Promised {
    by: String,
    amount_sat: u64,
}

#[derive(Serialize)]
struct Reserved {
    by: String,
    until_secs: u32,
}

/// A charter that came of it.
#[derive(Serialize)]
struct CharterRow {
    charter: CharterId,
    state: &'static str,
    #[serde(skip)]
    tone: &'static str,
    same_text: bool,
    progress: Progress,
    /// Whether it takes pledges now.
    fundable: bool,
    /// Whether all three have signed it.
    attested: bool,
}

/// A word in words.
#[derive(Serialize)]
struct WordRow {
    number: usize,
    at_secs: u32,
    by: String,
    /// Where it is about, if a project's leader says it.
    what: String,
    counts: bool,
    /// As it was signed.
    word: Word,
}

#[derive(Template, Serialize)]
#[template(path = "wish.html")]
struct WishPage {
    #[serde(skip)]
    site: Site,
    wish: TaskId,
    title: String,
    /// What is wished, inert.
    text: String,
    project: ProjectId,
    project_name: String,
    repository: String,
    link: Option<String>,
    by: String,
    at_secs: u32,
    now_secs: Option<u32>,
    state: &'static str,
    #[serde(skip)]
    tone: &'static str,
    declined: bool,
    withdrawn_secs: Option<u32>,
    /// The author's key, who alone may withdraw it.
    #[serde(skip)]
    by_hex: String,
    place: Option<u32>,
    leader: Option<String>,
    #[serde(skip)]
    leader_hex: Option<String>,
    takes_likes: bool,
    likes: usize,
    promises: Vec<Promised>,
    promise_count: usize,
    promised_sat: u64,
    developers: Vec<String>,
    developer_count: usize,
    representatives: Vec<String>,
    representative_count: usize,
    representative: Option<String>,
    reservation: Option<Reserved>,
    charters: Vec<CharterRow>,
    charter_count: usize,
    /// The one charter with the wish's text that takes pledges.
    fund: Option<CharterId>,
    /// How many do: of several none is chosen here.
    fund_count: usize,
    words: Vec<WordRow>,
    word_count: usize,
    /// Whether the words begin with the newest.
    newest: bool,
    /// Where earlier words are.
    earlier: Option<String>,
    tip: Option<Tip>,
}

pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Params(wish): Params<TaskId>,
    Query(which): Query<Which>,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    let hidden = &app.service.policy().hidden;
    let view = shown(&app, &wish, |book, state| page(site, book, state, hidden, which.before))?;
    respond(asked, &view)
}

fn page(site: Site, book: &Book, wish: &WishState, hidden: &Hidden, before: Option<usize>) -> WishPage {
    let heard = Heard::of(book, wish, hidden);
    let summary = WishSummary::of(book, wish, &heard);
    let tip = book.tip();
    let names = |keys: &[XOnlyPublicKey]| keys.iter().take(KEYS).map(npub).collect();
    let end = before.unwrap_or(usize::MAX).min(wish.said().len());
    let shown = |number: &usize| wish.said().get(*number).is_some_and(|said| !hidden.key(&said.word.by()));
    let word_count = (0..wish.said().len()).filter(shown).count();
    let numbers: Vec<usize> = (0..end).rev().filter(shown).take(WORDS + 1).collect();
    let begin = numbers.get(WORDS - 1).filter(|_| numbers.len() > WORDS);
    let mut drafted: Vec<Drafted<'_>> =
        book.charters_of(wish).map(|task| Drafted::of(task, wish, tip)).collect();
    // Anybody may draft one: those that three have signed come first, with the text that was wished before any other, and
    // many drafts make no long page.
    drafted.sort_by_key(|each| (!each.fundable, !each.attested, !each.same_text));
    let charter_count = drafted.len();
    let takers: Vec<CharterId> =
        drafted.iter().filter(|each| each.fundable && each.same_text).map(|each| each.task.id()).collect();
    let fund = takers.first().copied().filter(|_| takers.len() == 1);
    let charters = drafted.iter().take(CHARTERS).map(|each| charter_row(each, tip)).collect();
    let text = wish.text();
    let leader = heard.leader.as_ref().map(|leader| leader.key);
    WishPage {
        site,
        wish: summary.wish,
        title: pieces::title(text),
        text: pieces::body(text),
        project: summary.project,
        project_name: repository_name(&summary.repository),
        link: wish.signed().statement.link.as_deref().and_then(outward),
        by: npub(&summary.by),
        at_secs: summary.at_secs,
        now_secs: tip.map(|tip| tip.mtp_secs),
        state: state_words(&summary),
        tone: state_tone(&summary),
        declined: summary.lead == LeadChoice::Decline,
        withdrawn_secs: summary.withdrawn_secs,
        by_hex: summary.by.to_string(),
        place: summary.place.filter(|_| summary.withdrawn_secs.is_none()),
        leader: leader.as_ref().map(npub),
        leader_hex: leader.map(|leader| leader.to_string()),
        takes_likes: heard.takes_likes,
        likes: summary.likes,
        promise_count: heard.promises.len(),
        promises: heard
            .promises
            .iter()
            .take(PROMISES)
            .map(|(by, amount)| Promised { by: npub(by), amount_sat: amount.to_sat() })
            .collect(),
        promised_sat: summary.promised_sat,
        developers: names(&heard.developers),
        developer_count: heard.developers.len(),
        representatives: names(&heard.representatives),
        representative_count: heard.representatives.len(),
        representative: heard.representative.as_ref().map(npub),
        reservation: summary
            .reservation
            .map(|held| Reserved { by: npub(&held.by), until_secs: held.until_secs }),
        fund,
        fund_count: takers.len(),
        charters,
        charter_count,
        earlier: begin.map(|begin| format!("/wishes/{}?before={begin}#said", summary.wish)),
        words: numbers.into_iter().take(WORDS).filter_map(|number| word_row(wish, number)).collect(),
        word_count,
        newest: before.is_none(),
        tip: tip.copied(),
        repository: summary.repository,
    }
}

/// A charter, with what it is sorted by.
struct Drafted<'a> {
    task: &'a Task,
    same_text: bool,
    fundable: bool,
    attested: bool,
}

impl<'a> Drafted<'a> {
    fn of(task: &'a Task, wish: &WishState, tip: Option<&Tip>) -> Drafted<'a> {
        Drafted {
            task,
            same_text: task.charter().fields().text_hash == wish.signed().statement.text_hash,
            fundable: fundable(task, tip),
            attested: task.attestations().len() == Role::ALL.len(),
        }
    }
}

fn charter_row(drafted: &Drafted<'_>, tip: Option<&Tip>) -> CharterRow {
    let Drafted { task, same_text, fundable, attested } = *drafted;
    let stage = task.stage(tip);
    CharterRow {
        charter: task.id(),
        state: stage_words::label(stage),
        tone: stage_words::tone(stage),
        same_text,
        progress: Progress::of(task, tip),
        fundable,
        attested,
    }
}

fn word_row(wish: &WishState, number: usize) -> Option<WordRow> {
    let WordView { number, at_secs, counts, word } = WordView::new(wish, number)?;
    Some(WordRow { number, at_secs, by: npub(&word.by()), what: in_words(&word), counts, word })
}

/// What was said, as a sentence goes on after who said it.
fn in_words(word: &Word) -> String {
    match word {
        Word::Like(like) if like.statement.like => "likes it".to_owned(),
        Word::Like(_) => "likes it no longer".into(),
        Word::Promise(promise) => match promise.statement.amount_sat {
            0 => "takes the promise back".into(),
            amount => format!("promises {}", words::sat(amount)),
        },
        Word::Offer(offer) => {
            let seat = match offer.statement.seat.name() {
                "developer" => "do the work",
                _ => "represent the sponsors",
            };
            match (offer.statement.choice, offer.statement.until) {
                (OfferChoice::Accept, _) => format!("offers to {seat}"),
                (OfferChoice::Decline, _) => format!("will not {seat}"),
                (OfferChoice::Reserve, until) => {
                    format!("reserves it until {}", words::time(until.unwrap_or_default()))
                }
                (OfferChoice::Release, _) => "ends the reservation".into(),
            }
        }
        Word::Lead(lead) => {
            let said = match lead.statement.choice {
                LeadChoice::Accept => "accepts it for the project",
                LeadChoice::Decline => "declines it for the project",
                LeadChoice::None => "takes back what was said for the project",
            };
            match lead.statement.place {
                Some(place) => format!("{said}, at place {place}"),
                None => said.into(),
            }
        }
    }
}

//! Wishes and what was said to them, and who leads a project.

use super::{BadCursor, Page};
use crate::escrow::book::Book;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::Totals;
use crate::escrow::project::{Claim, ClaimWithdrawn, Leader, Project};
use crate::escrow::public::ProjectId;
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{CharterId, Digest, TaskId};
use crate::escrow::task::{Stage, Task, title};
use crate::escrow::wish::{LeadChoice, Reservation, WishState, Word};
use crate::service::hidden::Hidden;
use crate::service::schema;
use bitcoin::Amount;
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use utoipa::{IntoParams, ToSchema};

/// Most keys of one kind named in a wish's view, and most words; the rest is in the list of words.
const MOST: usize = 100;

/// Who leads a project here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaderView {
    /// The key.
    #[schema(value_type = schema::PublicKey)]
    pub key: XOnlyPublicKey,
    /// The open charter that names it; `null` where it claimed the project first.
    #[schema(required)]
    pub charter: Option<CharterId>,
}

impl From<Leader> for LeaderView {
    fn from(leader: Leader) -> LeaderView {
        LeaderView { key: leader.key, charter: leader.charter }
    }
}

/// A key that says it leads a project. Whether it does is to be looked up where it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimView {
    /// The key.
    #[schema(value_type = schema::PublicKey)]
    pub by: XOnlyPublicKey,
    /// Whether it leads the project here.
    pub leads: bool,
    /// When it came first, or came back after it had been withdrawn.
    #[schema(value_type = schema::UnixSeconds)]
    pub since_secs: u32,
    /// That the key took it back, if that is what it said last: then it claims nothing.
    #[schema(required)]
    pub withdrawn: Option<WithdrawnClaim>,
    /// How often it has spoken.
    #[schema(value_type = schema::Count)]
    pub statements: usize,
    /// What counts of it: the statement with the highest counter.
    pub settings: Project,
    /// Its signature, tag `upfront/project`.
    pub signature: StatementSignature,
}

/// That a key took its claim to a project back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WithdrawnClaim {
    /// When.
    #[schema(value_type = schema::UnixSeconds)]
    pub at_secs: u32,
    /// Under which counter.
    #[schema(value_type = schema::WordCounter)]
    pub counter: u32,
    /// Its signature, tag `upfront/project-withdrawal`.
    pub signature: StatementSignature,
}

impl From<&ClaimWithdrawn> for WithdrawnClaim {
    fn from(withdrawn: &ClaimWithdrawn) -> WithdrawnClaim {
        WithdrawnClaim {
            at_secs: withdrawn.at_mtp_secs,
            counter: withdrawn.signed.statement.counter,
            signature: withdrawn.signed.signature,
        }
    }
}

impl ClaimView {
    /// Of a claim.
    pub fn of(claim: &Claim, leader: Option<&Leader>) -> Option<ClaimView> {
        let newest = claim.newest()?;
        Some(ClaimView {
            by: claim.by,
            leads: leader.is_some_and(|leader| leader.key == claim.by),
            since_secs: claim.since_mtp_secs,
            withdrawn: claim.withdrawn().map(WithdrawnClaim::from),
            statements: claim.said.len() + claim.withdrawals.len(),
            settings: newest.signed.statement.clone(),
            signature: newest.signed.signature,
        })
    }
}

/// A reservation that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReservationView {
    /// The developer.
    #[schema(value_type = schema::PublicKey)]
    pub by: XOnlyPublicKey,
    /// Last median time past at which it holds.
    #[schema(value_type = schema::UnixSeconds)]
    pub until_secs: u32,
}

impl From<Reservation> for ReservationView {
    fn from(held: Reservation) -> ReservationView {
        ReservationView { by: held.by, until_secs: held.until_secs }
    }
}

/// A wish in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WishSummary {
    /// Its id, the `task` of charters drafted from it.
    pub wish: TaskId,
    /// First line of its text.
    pub title: String,
    /// The project it is for.
    pub project: ProjectId,
    /// The repository it is for.
    pub repository: String,
    /// Who wished it.
    #[schema(value_type = schema::PublicKey)]
    pub by: XOnlyPublicKey,
    /// When it was written down.
    #[schema(value_type = schema::UnixSeconds)]
    pub at_secs: u32,
    /// When its author withdrew it, if they did.
    #[schema(required, value_type = Option<schema::UnixSeconds>)]
    pub withdrawn_secs: Option<u32>,
    /// What the project's leader says.
    pub lead: LeadChoice,
    /// Its place in the leader's order.
    #[schema(required, value_type = Option<schema::Count>)]
    pub place: Option<u32>,
    /// How many like it; 0 where the leader has switched likes off.
    #[schema(value_type = schema::Count)]
    pub likes: usize,
    /// How many promise something.
    #[schema(value_type = schema::Count)]
    pub promises: usize,
    /// How much they promise together.
    #[schema(value_type = schema::SatSum)]
    pub promised_sat: u64,
    /// How many offer to do the work.
    #[schema(value_type = schema::Count)]
    pub developers: usize,
    /// The reservation that holds.
    #[schema(required)]
    pub reservation: Option<ReservationView>,
    /// Charters that were drafted from it.
    #[schema(value_type = schema::Count)]
    pub charters: usize,
}

/// A charter that was drafted from a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WishCharter {
    /// Its id.
    pub charter: CharterId,
    /// Where it stands.
    pub stage: Stage,
    /// Whether its text is the wish's, word for word.
    pub same_text: bool,
    /// What the work needs.
    #[schema(value_type = schema::Sat)]
    pub target_sat: u64,
    /// Sums.
    pub totals: Totals,
}

/// A word to a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WordView {
    /// Its number, counted from 0 in the order they came.
    #[schema(value_type = schema::Count)]
    pub number: usize,
    /// When it came.
    #[schema(value_type = schema::UnixSeconds)]
    pub at_secs: u32,
    /// Whether it counts: it is the one with the highest counter of its key and kind.
    pub counts: bool,
    /// What was said, signed.
    pub word: Word,
}

/// A wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WishView {
    /// What lists tell of it.
    pub summary: WishSummary,
    /// What is wished.
    pub text: String,
    /// SHA-256 of it.
    pub text_hash: Digest,
    /// Where it is talked about.
    #[schema(required)]
    pub link: Option<String>,
    /// The author's signature, tag `upfront/wish`.
    pub signature: StatementSignature,
    /// That they withdrew it, if they did.
    #[schema(required)]
    pub withdrawn: Option<WithdrawnView>,
    /// Who leads the project here.
    #[schema(required)]
    pub leader: Option<LeaderView>,
    /// Whether it may be liked.
    pub takes_likes: bool,
    /// Who offers to do the work, at most a hundred.
    #[schema(value_type = Vec<schema::PublicKey>)]
    pub developers: Vec<XOnlyPublicKey>,
    /// Who offers to represent the sponsors, at most a hundred.
    #[schema(value_type = Vec<schema::PublicKey>)]
    pub representatives: Vec<XOnlyPublicKey>,
    /// Who represents them unless somebody else is named.
    #[schema(required, value_type = Option<schema::PublicKey>)]
    pub representative: Option<XOnlyPublicKey>,
    /// Charters that were drafted from it, at most a hundred: those that take or took pledges first, then in the order they
    /// were written down.
    pub charters: Vec<WishCharter>,
    /// How many words were said to it.
    #[schema(value_type = schema::Count)]
    pub words: usize,
    /// The last of them, at most a hundred, the newest first; `/words` has all.
    pub last_words: Vec<WordView>,
    /// The tip all this was computed under.
    #[schema(required)]
    pub tip: Option<Tip>,
}

/// That whoever wrote a wish withdrew it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WithdrawnView {
    /// When.
    #[schema(value_type = schema::UnixSeconds)]
    pub at_secs: u32,
    /// The author's signature, tag `upfront/wish-withdrawal`.
    pub signature: StatementSignature,
}

/// What counts of all that was said to a wish, without what this service does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who likes it; nobody where the leader has switched likes off.
    pub likes: Vec<XOnlyPublicKey>,
    /// Whether it may be liked.
    pub takes_likes: bool,
    /// Who promises what.
    pub promises: Vec<(XOnlyPublicKey, Amount)>,
    /// Who offers to do the work.
    pub developers: Vec<XOnlyPublicKey>,
    /// Who offers to represent the sponsors.
    pub representatives: Vec<XOnlyPublicKey>,
    /// Who represents them unless somebody else is named.
    pub representative: Option<XOnlyPublicKey>,
    /// Who leads the project here.
    pub leader: Option<Leader>,
}

impl Heard {
    /// Of a wish.
    pub fn of(book: &Book, wish: &WishState, hidden: &Hidden) -> Heard {
        let shown = |key: &XOnlyPublicKey| !hidden.key(key);
        let leader = book.leader(wish.repository());
        let takes_likes =
            book.settings_of(wish.repository(), leader.as_ref()).is_none_or(|settings| settings.likes);
        let likes = if takes_likes { wish.likes() } else { Vec::new() };
        Heard {
            likes: likes.into_iter().filter(shown).collect(),
            takes_likes,
            promises: wish.promises().into_iter().filter(|(by, _)| shown(by)).collect(),
            developers: wish.developers().into_iter().filter(shown).collect(),
            representatives: wish.representatives().into_iter().filter(shown).collect(),
            representative: wish.representative().filter(shown),
            leader,
        }
    }

    /// All promises together.
    pub fn promised_sat(&self) -> u64 {
        self.promises.iter().map(|(_, amount)| amount.to_sat()).fold(0, u64::saturating_add)
    }
}

impl WishSummary {
    /// Of a wish.
    pub fn new(book: &Book, wish: &WishState, hidden: &Hidden) -> WishSummary {
        WishSummary::of(book, wish, &Heard::of(book, wish, hidden))
    }

    /// The same, of what counts.
    pub fn of(book: &Book, wish: &WishState, heard: &Heard) -> WishSummary {
        let (lead, place) = wish.lead(heard.leader.as_ref().map(|leader| &leader.key));
        WishSummary {
            wish: wish.id(),
            title: title(wish.text()),
            project: ProjectId::of(wish.repository()),
            repository: wish.repository().to_owned(),
            by: wish.by(),
            at_secs: wish.at_mtp_secs(),
            withdrawn_secs: wish.withdrawn().map(|withdrawn| withdrawn.at_mtp_secs),
            lead,
            place,
            likes: heard.likes.len(),
            promises: heard.promises.len(),
            promised_sat: heard.promised_sat(),
            developers: heard.developers.len(),
            reservation: book.tip().and_then(|tip| wish.reservation(tip.mtp_secs)).map(Into::into),
            charters: book.charters_of(wish).count(),
        }
    }
}

impl WishCharter {
    /// Of a charter.
    pub fn new(task: &Task, wish: &WishState, tip: Option<&Tip>) -> WishCharter {
        WishCharter {
            charter: task.id(),
            stage: task.stage(tip),
            same_text: task.charter().fields().text_hash == wish.signed().statement.text_hash,
            target_sat: task.charter().fields().target_sat,
            totals: tip.map(|tip| task.totals(tip)).unwrap_or_default(),
        }
    }
}

impl WordView {
    /// Of the word with this number.
    pub fn new(wish: &WishState, number: usize) -> Option<WordView> {
        let said = wish.said().get(number)?;
        let newest = wish.newest(said.word.kind(), &said.word.by());
        Some(WordView {
            number,
            at_secs: said.at_mtp_secs,
            counts: newest.is_some_and(|newest| newest.word.counter() == said.word.counter()),
            word: said.word.clone(),
        })
    }

    /// A page of the words to a wish, in the order they came; of one key alone, where one is named.
    pub fn page(
        wish: &WishState,
        hidden: &Hidden,
        by: Option<&XOnlyPublicKey>,
        after: Option<u32>,
        limit: usize,
    ) -> Page<WordView> {
        let first = after.map_or(0, |after| usize::try_from(after).unwrap_or(usize::MAX).saturating_add(1));
        // Whoever asks for one key knows it, and finds its next counter here.
        let wanted = |said: &XOnlyPublicKey| by.map_or(!hidden.key(said), |by| by == said);
        let numbers = (first..wish.said().len())
            .filter(|number| wish.said().get(*number).is_some_and(|said| wanted(&said.word.by())));
        Page::cut(numbers.filter_map(|number| Some((number, WordView::new(wish, number)?))), limit)
    }
}

impl WishView {
    /// Of a wish.
    pub fn new(book: &Book, wish: &WishState, hidden: &Hidden) -> WishView {
        let heard = Heard::of(book, wish, hidden);
        let tip = book.tip();
        let most = |mut keys: Vec<XOnlyPublicKey>| {
            keys.truncate(MOST);
            keys
        };
        let shown =
            |number: &usize| wish.said().get(*number).is_some_and(|said| !hidden.key(&said.word.by()));
        let count = wish.said().len();
        let mut charters: Vec<&Task> = book.charters_of(wish).collect();
        charters.sort_by_key(|task| !task.opened());
        charters.truncate(MOST);
        WishView {
            summary: WishSummary::of(book, wish, &heard),
            text: wish.text().to_owned(),
            text_hash: wish.signed().statement.text_hash,
            link: wish.signed().statement.link.clone(),
            signature: wish.signed().signature,
            withdrawn: wish.withdrawn().map(|withdrawn| WithdrawnView {
                at_secs: withdrawn.at_mtp_secs,
                signature: withdrawn.signed.signature,
            }),
            leader: heard.leader.map(Into::into),
            takes_likes: heard.takes_likes,
            developers: most(heard.developers),
            representatives: most(heard.representatives),
            representative: heard.representative,
            charters: charters.into_iter().map(|task| WishCharter::new(task, wish, tip)).collect(),
            words: (0..count).filter(shown).count(),
            last_words: (0..count)
                .rev()
                .filter(shown)
                .take(MOST)
                .filter_map(|number| WordView::new(wish, number))
                .collect(),
            tip: tip.copied(),
        }
    }
}

/// Which wishes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WishQuery {
    /// Only those for this project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// Whether withdrawn ones are told as well; they are not if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<bool>,
    /// Items in a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// `next` of the page before, with the same filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^[0-9]{1,10}$")]
    pub cursor: Option<String>,
}

impl WishQuery {
    /// The page of the wishes that are wanted, newest first.
    ///
    /// # Errors
    /// If the cursor is none.
    pub fn page(&self, book: &Book, hidden: &Hidden, limit: usize) -> Result<Page<WishSummary>, BadCursor> {
        let digits = |given: &&String| !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_digit());
        let before: Option<u32> = match &self.cursor {
            None => None,
            Some(given) => {
                Some(Some(given).filter(digits).and_then(|given| given.parse().ok()).ok_or(BadCursor)?)
            }
        };
        let of_project: Option<BTreeSet<TaskId>> =
            self.project.map(|project| book.wishes().of_project(&project).map(WishState::id).collect());
        let mut wanted: Vec<(u32, &WishState)> = (0_u32..)
            .zip(book.wishes().in_order())
            .filter(|(position, _)| before.is_none_or(|before| *position < before))
            .filter(|(_, wish)| {
                of_project.as_ref().is_none_or(|wishes| wishes.contains(&wish.id()))
                    && (self.withdrawn == Some(true) || wish.withdrawn().is_none())
                    && !hidden.wish(wish)
            })
            .collect();
        wanted.sort_by_key(|(position, _)| Reverse(*position));
        let summary = |wish| WishSummary::new(book, wish, hidden);
        let summaries = wanted.into_iter().map(|(position, wish)| (position, summary(wish)));
        Ok(Page::cut(summaries, limit))
    }
}

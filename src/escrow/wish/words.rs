//! What is said of a wish: the wish itself, and the words to it, as statements by an identity's key.

use crate::escrow::keys::SECP;
use crate::escrow::network::Network;
use crate::escrow::signature::{Speaker, StatementSignature};
use crate::escrow::statement::{BadSignature, Digest, Signed, Statement, TaskId};
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::{Deserialize, Serialize};

/// What somebody would like to see done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Network of the service.
    pub network: Network,
    /// The repository it is for, as charters will write it.
    pub repository: String,
    /// Where it is talked about, such as an issue.
    pub link: Option<String>,
    /// SHA-256 of the text.
    pub text_hash: Digest,
    /// Whose wish it is.
    pub by: XOnlyPublicKey,
}

impl Wish {
    /// Its id, which is the `task` of the charters drafted from it.
    pub fn id(&self) -> TaskId {
        TaskId(*self.digest().as_bytes())
    }
}

/// A field that may be missing, as statements write it.
pub(in crate::escrow) fn or_none(value: Option<&(impl ToString + ?Sized)>) -> String {
    value.map_or_else(|| "none".to_owned(), ToString::to_string)
}

impl Statement for Wish {
    const TAG: &'static str = "upfront/wish";
    const NAME: &'static str = "wish";
    fn lines(&self) -> String {
        format!(
            "network: {}\nrepository: {}\nlink: {}\ntext hash: {}\nby: {}\n",
            self.network,
            self.repository,
            or_none(self.link.as_deref()),
            self.text_hash,
            self.by
        )
    }
}

/// That whoever wrote a wish wishes for it no longer. It is final: another text is another wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// Network of the wish.
    pub network: Network,
    /// The wish.
    pub task: TaskId,
    /// Its author.
    pub by: XOnlyPublicKey,
}

impl Statement for Withdrawal {
    const TAG: &'static str = "upfront/wish-withdrawal";
    const NAME: &'static str = "withdrawal";
    fn lines(&self) -> String {
        format!("network: {}\ntask: {}\nby: {}\n", self.network, self.task, self.by)
    }
}

/// That somebody would like a wish to come true, without a word about money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Like {
    /// Network of the wish.
    pub network: Network,
    /// The wish.
    pub task: TaskId,
    /// Who says so.
    pub by: XOnlyPublicKey,
    /// Whether they like it, or do no longer.
    pub like: bool,
    /// The highest counter of a key counts.
    pub counter: u32,
}

impl Statement for Like {
    const TAG: &'static str = "upfront/like";
    const NAME: &'static str = "like";
    fn lines(&self) -> String {
        format!(
            "network: {}\ntask: {}\nby: {}\nlike: {}\ncounter: {}\n",
            self.network,
            self.task,
            self.by,
            if self.like { "yes" } else { "no" },
            self.counter
        )
    }
}

/// What somebody means to pledge once there is a charter. It binds nobody and moves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// Network of the wish.
    pub network: Network,
    /// The wish.
    pub task: TaskId,
    /// Who says so.
    pub by: XOnlyPublicKey,
    /// How much, in satoshis; 0 takes it back.
    pub amount_sat: u64,
    /// The highest counter of a key counts.
    pub counter: u32,
}

impl Statement for Promise {
    const TAG: &'static str = "upfront/promise";
    const NAME: &'static str = "promise";
    fn lines(&self) -> String {
        format!(
            "network: {}\ntask: {}\nby: {}\namount: {} sat\ncounter: {}\n",
            self.network, self.task, self.by, self.amount_sat, self.counter
        )
    }
}

/// A seat that somebody may offer to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferedSeat {
    /// Does the work.
    Developer,
    /// Speaks for the sponsors.
    Representative,
}

impl OfferedSeat {
    /// Its name in statements.
    pub const fn name(self) -> &'static str {
        match self {
            OfferedSeat::Developer => "developer",
            OfferedSeat::Representative => "representative",
        }
    }
}

/// What is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferChoice {
    /// To take the seat.
    Accept,
    /// Not to take it.
    Decline,
    /// To do the work, with nobody else beginning meanwhile.
    Reserve,
    /// To let others go first again.
    Release,
}

impl OfferChoice {
    /// Its name in statements.
    pub const fn name(self) -> &'static str {
        match self {
            OfferChoice::Accept => "accept",
            OfferChoice::Decline => "decline",
            OfferChoice::Reserve => "reserve",
            OfferChoice::Release => "release",
        }
    }
}

/// That somebody takes a seat, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Network of the wish.
    pub network: Network,
    /// The wish.
    pub task: TaskId,
    /// Who says so.
    pub by: XOnlyPublicKey,
    /// Which seat.
    #[serde(rename = "as")]
    pub seat: OfferedSeat,
    /// What they offer.
    pub choice: OfferChoice,
    /// Of a reservation: the last median time past at which it holds, Unix seconds.
    pub until: Option<u32>,
    /// The highest counter of a key counts, for each seat.
    pub counter: u32,
}

impl Statement for Offer {
    const TAG: &'static str = "upfront/offer";
    const NAME: &'static str = "offer";
    fn lines(&self) -> String {
        format!(
            "network: {}\ntask: {}\nby: {}\nas: {}\nchoice: {}\nuntil: {}\ncounter: {}\n",
            self.network,
            self.task,
            self.by,
            self.seat.name(),
            self.choice.name(),
            or_none(self.until.as_ref()),
            self.counter
        )
    }
}

/// What the leader of the project says of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadChoice {
    /// It is welcome.
    Accept,
    /// It will not be taken into the project.
    Decline,
    /// Nothing yet, or nothing any more.
    None,
}

impl LeadChoice {
    /// Its name in statements.
    pub const fn name(self) -> &'static str {
        match self {
            LeadChoice::Accept => "accept",
            LeadChoice::Decline => "decline",
            LeadChoice::None => "none",
        }
    }
}

/// The word of a project's leader on a wish, and its place among the project's wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lead {
    /// Network of the wish.
    pub network: Network,
    /// The wish.
    pub task: TaskId,
    /// The leader.
    pub by: XOnlyPublicKey,
    /// What they say.
    pub choice: LeadChoice,
    /// Its place in the leader's order, 1 before 2.
    pub place: Option<u32>,
    /// The highest counter of a key counts.
    pub counter: u32,
}

impl Statement for Lead {
    const TAG: &'static str = "upfront/lead";
    const NAME: &'static str = "lead";
    fn lines(&self) -> String {
        format!(
            "network: {}\ntask: {}\nby: {}\nchoice: {}\nplace: {}\ncounter: {}\n",
            self.network,
            self.task,
            self.by,
            self.choice.name(),
            or_none(self.place.as_ref()),
            self.counter
        )
    }
}

/// Which of a key's words stand in for each other: the one with the highest counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WordKind {
    /// Likes.
    Like,
    /// Promises.
    Promise,
    /// Offers to do the work.
    Developer,
    /// Offers to represent the sponsors.
    Representative,
    /// What a leader says.
    Lead,
}

/// A signed word to a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Word {
    /// A like, or that it is taken back.
    Like(Signed<Like>),
    /// A promise, or that it is taken back.
    Promise(Signed<Promise>),
    /// An offer to take a seat.
    Offer(Signed<Offer>),
    /// The leader's word.
    Lead(Signed<Lead>),
}

/// The same expression for each kind of word.
macro_rules! each {
    ($word:expr, $signed:ident => $do:expr) => {
        match $word {
            Word::Like($signed) => $do,
            Word::Promise($signed) => $do,
            Word::Offer($signed) => $do,
            Word::Lead($signed) => $do,
        }
    };
}

impl Word {
    /// Its kind.
    pub fn kind(&self) -> WordKind {
        match self {
            Word::Like(_) => WordKind::Like,
            Word::Promise(_) => WordKind::Promise,
            Word::Offer(offer) => match offer.statement.seat {
                OfferedSeat::Developer => WordKind::Developer,
                OfferedSeat::Representative => WordKind::Representative,
            },
            Word::Lead(_) => WordKind::Lead,
        }
    }

    /// The word for it in errors.
    pub fn name(&self) -> &'static str {
        match self {
            Word::Like(_) => Like::NAME,
            Word::Promise(_) => Promise::NAME,
            Word::Offer(_) => Offer::NAME,
            Word::Lead(_) => Lead::NAME,
        }
    }

    /// Its network.
    pub fn network(&self) -> Network {
        each!(self, signed => signed.statement.network)
    }

    /// The wish it is about.
    pub fn task(&self) -> TaskId {
        each!(self, signed => signed.statement.task)
    }

    /// Who says it.
    pub fn by(&self) -> XOnlyPublicKey {
        each!(self, signed => signed.statement.by)
    }

    /// Its counter.
    pub fn counter(&self) -> u32 {
        each!(self, signed => signed.statement.counter)
    }

    /// The exact lines that are signed.
    pub fn lines(&self) -> String {
        each!(self, signed => signed.statement.lines())
    }

    /// Whether it only takes back, or refuses, so that it can be said of a wish that was withdrawn as well.
    pub fn takes_back(&self) -> bool {
        match self {
            Word::Like(like) => !like.statement.like,
            Word::Promise(promise) => promise.statement.amount_sat == 0,
            Word::Offer(offer) => {
                matches!(offer.statement.choice, OfferChoice::Decline | OfferChoice::Release)
            }
            Word::Lead(lead) => lead.statement.choice != LeadChoice::Accept && lead.statement.place.is_none(),
        }
    }

    /// The signature.
    pub fn signature(&self) -> &StatementSignature {
        each!(self, signed => &signed.signature)
    }

    /// Whether another word is the same statement, whatever the signatures.
    pub fn says_the_same(&self, other: &Word) -> bool {
        self.kind() == other.kind() && self.lines() == other.lines()
    }

    /// Checks the signature.
    pub fn verify(&self) -> Result<(), BadSignature> {
        let speaker = Speaker::identity(self.by());
        each!(self, signed => signed.verify(&SECP, &speaker))
    }
}

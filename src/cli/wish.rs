//! `upfront wish`: what people would like to see done, and what they say to it, signed by their identity.

mod view;

use super::context::{Context, IdentityArg, read_text};
use super::exit::{Exit, Failure};
use crate::client::{CheckedWish, Client};
use crate::draft::Draft;
use crate::draft::when::When;
use crate::draft::wish as draft;
use crate::escrow::network::Network;
use crate::escrow::public::ProjectId;
use crate::escrow::statement::{Digest, TaskId};
use crate::escrow::wish::{
    Lead, LeadChoice, Like, Offer, OfferChoice, OfferedSeat, Promise, Wish, Withdrawal, Word, WordKind,
};
use crate::keys::Identity;
use bitcoin::secp256k1::XOnlyPublicKey;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
pub use view::lead_words;
use view::{WishList, WishReport};

#[derive(Subcommand)]
pub enum WishCommand {
    /// Write a wish down
    New(NewArgs),
    /// Show a wish: who likes it, what is promised, who offers, which charters came of it
    Show(ShowArgs),
    /// List wishes, newest first
    List(ListArgs),
    /// Like a wish, or take that back
    Like(LikeArgs),
    /// Promise to pledge an amount once there is a charter; it binds nobody
    Promise(PromiseArgs),
    /// Offer to do the work or to represent the sponsors, reserve it, or say no
    Offer(OfferArgs),
    /// Accept, decline or order a wish, as the project's leader
    Lead(LeadArgs),
    /// Withdraw a wish of yours: it leaves the lists and takes nothing new; it is final
    Withdraw(WithdrawArgs),
}

#[derive(Args)]
pub struct NewArgs {
    /// What is wished; its first line is the title
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Repository it is for, as charters will write it
    #[arg(long, value_name = "URL")]
    repository: String,
    /// Where it is talked about, such as an issue
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Args)]
pub struct ShowArgs {
    /// Id of the wish
    wish: TaskId,
}

#[derive(Args)]
pub struct ListArgs {
    /// Only wishes for this repository
    #[arg(long, value_name = "URL")]
    repository: Option<String>,
    /// Withdrawn ones, too
    #[arg(long)]
    withdrawn: bool,
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

#[derive(Args)]
pub struct LikeArgs {
    /// Id of the wish
    wish: TaskId,
    /// Like it no longer
    #[arg(long)]
    withdraw: bool,
    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Args)]
pub struct PromiseArgs {
    /// Id of the wish
    wish: TaskId,
    /// How much, satoshis; 0 takes the promise back
    #[arg(long, value_name = "SAT")]
    amount_sat: u64,
    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SeatArg {
    /// Does the work
    Developer,
    /// Speaks for the sponsors
    Representative,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OfferArg {
    /// Take the seat
    Accept,
    /// Do not take it
    Decline,
    /// Do the work, with nobody else beginning until then (needs --until)
    Reserve,
    /// End a reservation
    Release,
}

#[derive(Args)]
pub struct OfferArgs {
    /// Id of the wish
    wish: TaskId,
    /// Which seat
    #[arg(long = "as", value_enum)]
    seat: SeatArg,
    /// What is offered
    #[arg(value_enum)]
    choice: OfferArg,
    /// Of a reservation, when it ends: 7d, 2027-05-31 or Unix seconds, at most 30 days ahead
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ChoiceArg {
    /// It is welcome
    Accept,
    /// It will not be taken into the project
    Decline,
    /// Nothing, or nothing any more
    None,
}

#[derive(Args)]
pub struct LeadArgs {
    /// Id of the wish
    wish: TaskId,
    /// What the leader says
    #[arg(value_enum)]
    choice: ChoiceArg,
    /// Its place among the project's wishes, 1 before 2
    #[arg(long, value_name = "N")]
    place: Option<u32>,
    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Args)]
pub struct WithdrawArgs {
    /// Id of the wish
    wish: TaskId,
    #[command(flatten)]
    identity: IdentityArg,
}

pub fn run(context: &Context<'_>, command: WishCommand) -> anyhow::Result<Exit> {
    match command {
        WishCommand::New(args) => new(context, args)?,
        WishCommand::Show(ShowArgs { wish }) => {
            let client = context.client();
            let network = client.status()?.network;
            context.report(&WishReport(client.wish(&wish, network)?.into_view()))?;
        }
        WishCommand::List(ListArgs { repository, withdrawn, limit }) => {
            let project = repository.map(|repository| ProjectId::of(&repository));
            context.report(&WishList(context.client().wishes(project, withdrawn, limit)?))?;
        }
        WishCommand::Like(args) => {
            say(context, &args.identity, &args.wish, WordKind::Like, |speaker, ground| {
                let Ground { network, task, by, counter, .. } = ground;
                Ok(Word::Like(speaker.sign(Like { network, task, by, like: !args.withdraw, counter })))
            })?;
        }
        WishCommand::Promise(args) => {
            say(context, &args.identity, &args.wish, WordKind::Promise, |speaker, ground| {
                let Ground { network, task, by, counter, .. } = ground;
                let amount_sat = args.amount_sat;
                Ok(Word::Promise(speaker.sign(Promise { network, task, by, amount_sat, counter })))
            })?;
        }
        WishCommand::Offer(args) => offer(context, &args)?,
        WishCommand::Withdraw(args) => withdraw(context, &args)?,
        WishCommand::Lead(args) => {
            say(context, &args.identity, &args.wish, WordKind::Lead, |speaker, ground| {
                let Ground { network, task, by, counter, .. } = ground;
                let choice = match args.choice {
                    ChoiceArg::Accept => LeadChoice::Accept,
                    ChoiceArg::Decline => LeadChoice::Decline,
                    ChoiceArg::None => LeadChoice::None,
                };
                let place = args.place;
                Ok(Word::Lead(speaker.sign(Lead { network, task, by, choice, place, counter })))
            })?;
        }
    }
    Ok(Exit::Done)
}

fn withdraw(context: &Context<'_>, args: &WithdrawArgs) -> anyhow::Result<()> {
    let speaker = context.identity(&args.identity)?;
    let client = context.client();
    let network = client.status()?.network;
    let view = client.wish(&args.wish, network)?.into_view();
    if view.summary.by != speaker.public() {
        return Err(Failure::refused("not_author", "this identity did not write the wish")
            .hint("name the identity that did, with --identity")
            .into());
    }
    let withdrawal = Withdrawal { network, task: args.wish, by: speaker.public() };
    context.report(&WishReport(client.withdraw_wish(&speaker.sign(withdrawal))?.into_view()))
}

fn new(context: &Context<'_>, args: NewArgs) -> anyhow::Result<()> {
    let text = read_text(&args.text)?;
    let speaker = context.identity(&args.identity)?;
    let client = context.client();
    let wish = Wish {
        network: client.status()?.network,
        repository: args.repository,
        link: args.link,
        text_hash: Digest::of(text.as_bytes()),
        by: speaker.public(),
    };
    context.report(&WishReport(client.write_wish(&speaker.sign(wish), &text)?.into_view()))
}

fn offer(context: &Context<'_>, args: &OfferArgs) -> anyhow::Result<()> {
    let (seat, kind) = match args.seat {
        SeatArg::Developer => (OfferedSeat::Developer, WordKind::Developer),
        SeatArg::Representative => (OfferedSeat::Representative, WordKind::Representative),
    };
    let choice = match args.choice {
        OfferArg::Accept => OfferChoice::Accept,
        OfferArg::Decline => OfferChoice::Decline,
        OfferArg::Reserve => OfferChoice::Reserve,
        OfferArg::Release => OfferChoice::Release,
    };
    say(context, &args.identity, &args.wish, kind, |speaker, ground| {
        let Ground { network, task, by, counter, mtp_secs } = ground;
        let until = match (args.until, mtp_secs) {
            (None, _) => None,
            (Some(When::In(_)), None) => {
                return Err(Failure::not_yet("chain_unknown", "the service does not know the chain yet")
                    .hint("try again shortly, or give --until as a date")
                    .into());
            }
            (Some(until), now) => until.from(now.unwrap_or_default()),
        };
        if until.is_none() && args.until.is_some() {
            return Err(Failure::usage("--until is too far away").into());
        }
        Ok(Word::Offer(speaker.sign(Offer { network, task, by, seat, choice, until, counter })))
    })
}

/// What a word is said on.
struct Ground {
    network: Network,
    task: TaskId,
    by: XOnlyPublicKey,
    /// The next after the key's last one.
    counter: u32,
    /// The chain's median time past, once it is known.
    mtp_secs: Option<u32>,
}

/// Says something to a wish that was looked at first, under the next counter.
fn say(
    context: &Context<'_>,
    identity: &IdentityArg,
    wish: &TaskId,
    kind: WordKind,
    word: impl FnOnce(&Identity, Ground) -> anyhow::Result<Word>,
) -> anyhow::Result<()> {
    let speaker = context.identity(identity)?;
    let client = context.client();
    let status = client.status()?;
    client.wish(wish, status.network)?;
    let by = speaker.public();
    let words = client.words_of(wish, by)?;
    let last = words.iter().filter(|said| said.word.kind() == kind && said.word.by() == by);
    let counter = last.map(|said| said.word.counter()).max().map_or(1, |last| last.saturating_add(1));
    let mtp_secs = status.tip.map(|tip| tip.mtp_secs);
    let word = word(&speaker, Ground { network: status.network, task: *wish, by, counter, mtp_secs })?;
    context.report(&WishReport(client.say(&word)?.into_view()))
}

/// What a wish gives to a charter: its text, and a draft with what wish and project say.
pub struct FromWish {
    /// The text.
    pub text: String,
    /// Task, repository, and what the project's leader set.
    pub draft: Draft,
    /// What only people can put in.
    pub notes: Vec<String>,
}

/// Most offers that are looked at for a charter.
const MOST_OFFERS: usize = 10;

/// Whether a key has signed that it takes a seat, and has not taken that back as far as the service tells: a charter says so
/// of nobody who has not.
fn offers(
    client: &Client,
    network: Network,
    wish: &TaskId,
    key: &XOnlyPublicKey,
    seat: OfferedSeat,
) -> anyhow::Result<bool> {
    let words = client.words_of(wish, *key)?;
    let offers = words.iter().filter_map(|said| match &said.word {
        Word::Offer(offer) if offer.statement.seat == seat => Some(&said.word),
        _ => None,
    });
    let genuine = |word: &&Word| {
        word.task() == *wish && word.network() == network && word.by() == *key && word.verify().is_ok()
    };
    let last = offers.filter(genuine).max_by_key(|word| word.counter());
    Ok(last.is_some_and(|word| !word.takes_back()))
}

/// Fetches a wish for a charter.
pub fn for_charter(client: &Client, wish: &TaskId) -> anyhow::Result<FromWish> {
    let network = client.status()?.network;
    let checked: CheckedWish = client.wish(wish, network)?;
    let view = checked.into_view();
    if view.withdrawn.is_some() {
        return Err(Failure::refused("wish_withdrawn", "whoever wrote this wish has withdrawn it")
            .hint("draft a charter of its own, without --wish")
            .into());
    }
    let project = client.project(&view.summary.repository)?;
    let offered = |key: &XOnlyPublicKey, seat| offers(client, network, wish, key, seat);
    let mut developers = Vec::new();
    for key in view.developers.iter().take(MOST_OFFERS) {
        if offered(key, OfferedSeat::Developer)? {
            developers.push(*key);
        }
    }
    let reserved = match view.summary.reservation.as_ref().map(|held| held.by) {
        Some(key) if offered(&key, OfferedSeat::Developer)? => Some(key),
        _ => None,
    };
    let representative = match view.representative {
        Some(key) if key == view.summary.by || offered(&key, OfferedSeat::Representative)? => Some(key),
        _ => None,
    };
    let from = draft::FromWish::new(&draft::Wished {
        wish: *wish,
        repository: &view.summary.repository,
        by: view.summary.by,
        settings: project.settings(),
        developers: &developers,
        reserved,
        representative,
    });
    // What the charter will say of people is said before anybody signs it.
    let named = from.origins.iter().filter(|(field, _)| field.ends_with("_nominated_by"));
    let named = named.map(|(field, words)| format!("--{}: {words}", field.replace('_', "-")));
    let notes = from.notes.iter().cloned().chain(named);
    let notes = notes.map(|note| super::text::inert(&note)).collect();
    Ok(FromWish { text: view.text, draft: from.draft, notes })
}

//! One pledge: what became of the money, how safe it is, and, for whoever holds its key, what is left to do. All that
//! may change has an id and `data-live`: the page is fetched again and these parts are put in.

use super::super::body::Params;
use super::super::faucet::Offer;
use super::super::{ApiError, App};
use super::moving::{Incoming, MoveStep, SignedMove, movable};
use super::pieces;
use super::standing::{Case, Rest, Settled, Words};
use super::{Asked, Site, show as respond, words};
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Pledge, RESERVATION_SECS, Standing};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::CharterId;
use crate::escrow::task::{Stage, Task};
use crate::service::views::{OutpointView, PledgeView};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use bitcoin::{OutPoint, Txid};
use serde::Serialize;

/// A payment with its words.
#[derive(Serialize)]
pub struct Payment {
    #[serde(flatten)]
    view: OutpointView,
    words: Words,
    security: Option<Words>,
}

/// A step on the way of the money.
#[derive(Serialize)]
pub struct Step {
    /// `done`, `now`, or nothing.
    mark: &'static str,
    name: &'static str,
    text: String,
}

#[derive(Template, Serialize)]
#[template(path = "pledge.html")]
struct PledgePage {
    #[serde(skip)]
    site: Site,
    charter: CharterId,
    title: String,
    stage: Stage,
    refund_time: u32,
    now_secs: u32,
    pledge: PledgeView,
    headline: Words,
    remarks: Vec<Words>,
    payments: Vec<Payment>,
    steps: Vec<Step>,
    /// Whether the page still asks for money.
    wanted: bool,
    /// Whether the key of this pledge may still say what becomes of its money.
    voting: bool,
    /// Whether it could move to another task.
    movable: bool,
    /// Where its sponsor signed that it moves.
    moves: Vec<SignedMove>,
}

/// `/tasks/{charter}/pledges/{index}`.
pub(super) async fn show(
    State(app): State<App>,
    Params((charter, index)): Params<(CharterId, u32)>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let site = Site::new(&app).with_faucet(Offer::of_pledge(&app, &charter, index));
    let page = app.service.read_task(&charter, |task, tip| PledgePage::of(site, task, index, tip))?;
    let mut page = page.ok_or(ApiError::missing("pledge"))?;
    page.moves = app.service.read(|book| SignedMove::of(book, &charter, index));
    // Nothing is asked for where something is on its way from elsewhere.
    if page.wanted && page.payments.is_empty() {
        let coming = app.service.read(|book| Incoming::of(book, &charter, index));
        if let Some(headline) = Incoming::headline(&coming) {
            (page.headline, page.wanted) = (headline, false);
        }
    }
    respond(asked, &page)
}

/// What a settlement of the task does with this output, in the transaction that spends it.
fn settled(task: &Task, outpoint: OutPoint, txid: Txid) -> Option<Settled> {
    task.settlements().values().find_map(|settlement| {
        let rest = match settlement.plan.terms().kind() {
            Kind::Milestone { .. } => Rest::Stays,
            Kind::Move { .. } => Rest::Moves,
            Kind::Ruling { .. } => Rest::Ruled,
            Kind::Payout { .. } | Kind::EarlyReturn => Rest::Returned,
        };
        settlement.plan.chunks().iter().find_map(|chunk| {
            let ours = chunk.forms.iter().any(|form| form.txid == txid);
            let input = chunk.inputs.iter().find(|input| ours && input.term.outpoint == outpoint)?;
            Some(Settled { pay_bps: input.term.pay.get(), rest })
        })
    })
}

impl PledgePage {
    fn of(site: Site, task: &Task, index: u32, tip: Option<&Tip>) -> Option<PledgePage> {
        let held: &Pledge = task.pledges().get(&index)?;
        let pledge = PledgeView::of(task, index, tip)?;
        let terms = task.charter().fields();
        let case = Case {
            terms,
            promised_sat: pledge.promised_sat,
            reserved_until_secs: held.at_mtp_secs.saturating_add(RESERVATION_SECS),
            refund_address: &pledge.refund_address,
            mtp_secs: tip.map(|tip| tip.mtp_secs),
        };
        // What was paid in, then what payouts left of it.
        let mut outpoints: Vec<&OutpointView> = pledge.outpoints.iter().collect();
        outpoints.sort_by_key(|held| held.generation);
        let said: Vec<(OutpointView, Words)> = outpoints
            .into_iter()
            .map(|held| {
                let settled = held.ended.and_then(|ended| settled(task, held.outpoint, ended.txid));
                (held.clone(), case.payment(held, settled))
            })
            .collect();
        let headline = case.headline(&said.iter().map(|(held, words)| (held, words)).collect::<Vec<_>>());
        // A pledge that was silent may still speak when voting is over; who has spoken changes nothing any more.
        let may_vote = |tip| {
            task.submissions().last().is_some_and(|submission| task.may_vote(submission, index, tip).is_ok())
        };
        let voting = tip.is_some_and(may_vote)
            && !case.refundable()
            && pledge.outpoints.iter().any(|held| held.ended.is_none());
        let voted = task
            .submissions()
            .iter()
            .any(|submission| submission.votes.iter().any(|cast| cast.vote.statement.pledge == index));
        let steps = steps(&said, &headline, voting, voted, case.refundable());
        let remarks = case.remarks(&pledge.outpoints);
        let wanted = matches!(headline.state, "waiting" | "lapsed" | "replaced");
        let payments = said
            .into_iter()
            .map(|(view, words)| Payment { security: case.security(&view), view, words })
            .collect();
        Some(PledgePage {
            site,
            charter: task.id(),
            title: pieces::title(task.text()),
            stage: task.stage(tip),
            refund_time: terms.refund_time,
            now_secs: tip.map_or(terms.refund_time, |tip| tip.mtp_secs),
            pledge,
            headline,
            remarks,
            payments,
            steps,
            wanted,
            voting,
            movable: movable(task, index, tip),
            moves: Vec::new(),
        })
    }
}

/// The way of the money, as far as it has come.
fn steps(
    payments: &[(OutpointView, Words)],
    headline: &Words,
    voting: bool,
    voted: bool,
    over: bool,
) -> Vec<Step> {
    let present: Vec<&OutpointView> = payments
        .iter()
        .map(|(held, _)| held)
        .filter(|held| held.standing != Some(Standing::Vanished))
        .collect();
    let left = present.iter().any(|held| held.ended.is_none() && held.generation > 0);
    let ended =
        !present.is_empty() && present.iter().all(|held| held.ended.is_some_and(|ended| ended.depth > 0));
    let counted = present.iter().any(|held| held.standing == Some(Standing::Credited));
    let secured = !present.is_empty() && present.iter().all(|held| held.secured || held.ended.is_some());
    let last = payments.iter().rev().find(|(held, _)| held.ended.is_some());
    let end = match last {
        _ if ended => headline.title.as_str(),
        _ if left => "Part is paid. The rest: to the developer, or back to you.",
        Some((_, words)) => words.title.as_str(),
        None => "To the developer, or back to you.",
    };
    let confirmations = payments
        .iter()
        .find(|(_, words)| words.state == "confirming")
        .map_or("Enough blocks have confirmed it.", |(_, words)| words.title.as_str());
    let rows: [(&'static str, bool, &str); 6] = [
        ("Address made", true, "With your key and this task's terms."),
        ("Payment seen", !present.is_empty(), "In the network, within seconds."),
        ("Counts", counted, confirmations),
        ("Refund secured", secured, "Signed by your browser, kept by the service."),
        (
            "Your vote",
            voted,
            if voting { "The work is there: look at it, and vote." } else { "When the work is there." },
        ),
        ("The end", ended, end),
    ];
    let mut reached = false;
    rows.into_iter()
        .map(|(name, done, text)| {
            // A vote is nobody's duty: an end without one leaves no gap.
            let skipped = !done && (name == "Your vote") && (ended || over);
            let mark = if done {
                "done"
            } else if reached || skipped {
                ""
            } else {
                reached = true;
                "now"
            };
            Step { mark, name, text: text.to_owned() }
        })
        .collect()
}

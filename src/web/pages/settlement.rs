//! One settlement as a signer reads it: plain outputs and fee first, then who signed, the PSBTs to take away, how
//! to sign, and where to bring them back.

pub mod files;
pub mod moves;

use super::super::body::Params;
use super::super::{ApiError, App, bbqr};
use super::pieces::title;
use super::settlements::copy;
use super::{Asked, Site, money, show as respond, stage_words, words};
use crate::escrow::facts::Tip;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{CharterId, Role, SettlementId};
use crate::escrow::task::{Fate, Refused, SettlementState, Task};
use crate::service::views::{SettlementProgress, SettlementView};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use moves::{Lines, Moves, lines, people};
use serde::Serialize;

/// Longest PSBT whose base64 stands in the page itself; longer ones are files.
const MAX_TEXT_BYTES: usize = 9_000;
/// Most inputs whose PSBTs are looked at for a row of QR codes.
const MAX_QR_INPUTS: usize = 60;

#[derive(Template, Serialize)]
#[template(path = "settlement.html")]
struct SettlementPage {
    #[serde(skip)]
    site: Site,
    /// The task.
    charter: CharterId,
    /// Its title.
    title: String,
    /// The settlement, as the API tells it.
    settlement: SettlementView,
    /// What it does with the money.
    moves: Moves,
    /// Its transactions, line by line.
    lines: Vec<Lines>,
    /// How far it is.
    signing: Signing,
    /// The PSBTs, unsigned.
    psbts: Vec<PsbtFile>,
    /// Confirmations that the charter asks for.
    depth: u32,
    /// Key expressions of the three signers, in order.
    signers: Vec<Signer>,
}

/// Who signed, and whether anybody still may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Signing {
    /// In a sentence or two.
    state: String,
    /// How many of the two that are needed have signed everything.
    count: usize,
    /// Each seat: whether it signed everything, something, nothing.
    seats: Vec<SeatSigned>,
    /// Median time past when it was proposed.
    proposed_mtp_secs: u32,
    /// Whether signatures are still taken.
    open: bool,
    /// Why they are not, as code and words.
    refused: Option<Refusal>,
    /// Whether a transaction was handed to the network.
    sent: bool,
    /// Fewest confirmations of its transactions, once all are mined.
    confirmations: Option<u32>,
    /// Last moment anything new is started.
    cutoff_secs: u32,
}

/// Why something is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Stable code.
    pub code: &'static str,
    /// In words.
    pub words: String,
    /// What to do.
    pub hint: &'static str,
}

impl Refusal {
    /// Of a rule.
    pub fn new(refused: &Refused) -> Refusal {
        let code = refused.code();
        let hint = super::super::problem::entry(code).map_or("", |entry| entry.hint);
        Refusal { code, words: refused.to_string(), hint }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct SeatSigned {
    role: Role,
    signed: Signed,
    needed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Signed {
    All,
    Some,
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Signer {
    role: Role,
    key: String,
    /// `[fingerprint/87h/coin'h/k'h]`, without the key.
    origin: String,
}

/// A PSBT to take away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct PsbtFile {
    /// Transaction, from 0.
    chunk: u32,
    /// Feerate, from 0.
    form: u32,
    /// Its least feerate.
    feerate_sat_per_vb: u64,
    /// What it is called.
    name: String,
    /// Where it is, without ending: `.psbt` is binary, `.txt` base64.
    path: String,
    /// Bytes of the binary file.
    bytes: usize,
    /// Base64, where it is short.
    base64: Option<String>,
    /// Its QR codes; none where it is too much for them.
    frames: Vec<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Params((charter, id)): Params<(CharterId, SettlementId)>,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    let (task, tip) = copy(&app, &charter)?;
    // Hundreds of inputs at three feerates take a while; others go on meanwhile.
    let page = move || {
        let state = task.settlements().get(&id)?;
        Some(SettlementPage::new(site, &task, state, tip.as_ref()))
    };
    let page = tokio::task::spawn_blocking(page).await.map_err(|_| ApiError::internal())?;
    respond(asked, &page.ok_or(ApiError::missing("settlement"))?)
}

impl SettlementPage {
    fn new(site: Site, task: &Task, state: &SettlementState, tip: Option<&Tip>) -> SettlementPage {
        let settlement = SettlementView::new(task, state, tip);
        let signers = Role::ALL.map(|role| {
            let key = task.charter().signer(role).to_string();
            let origin = key.split_once(']').map_or("", |(origin, _)| origin);
            Signer { role, origin: format!("{origin}]"), key }
        });
        SettlementPage {
            site,
            charter: task.id(),
            title: title(task.text()),
            moves: Moves::new(task.charter(), &state.plan),
            lines: lines(task, state, tip),
            signing: Signing::new(task, state, &settlement, tip),
            psbts: psbts(task.id(), state),
            depth: task.charter().fields().depth,
            signers: signers.into(),
            settlement,
        }
    }

    fn base(&self) -> String {
        format!("/tasks/{}/settlements/{}", self.charter, self.settlement.id)
    }

    fn fate(&self, fate: Option<&Fate>) -> String {
        match fate {
            None => "The chain is not known yet".to_owned(),
            Some(Fate::Pending) if self.settlement.progress == SettlementProgress::Complete => {
                "Handed to the network, not mined yet".to_owned()
            }
            Some(Fate::Pending) => "Not mined".to_owned(),
            Some(Fate::Confirmed { depth }) => {
                format!("Mined, {depth} {}", words::plural("confirmation", *depth))
            }
            Some(Fate::Conflicted) => "Something else spent what it wanted to spend".to_owned(),
        }
    }

    fn is_ruling(&self) -> bool {
        matches!(self.settlement.kind, Kind::Ruling { .. })
    }

    /// Whether it keeps money in an escrow, here or under another charter: its signers check the refunds of that.
    fn keeps(&self) -> bool {
        self.settlement.kind.one_by_one()
    }

    /// The task that money moves to.
    fn destination(&self) -> Option<String> {
        match self.settlement.kind {
            Kind::Move { to } => Some(to.to_string()),
            _ => None,
        }
    }

    fn submission(&self) -> Option<String> {
        self.settlement.kind.submission().map(|submission| submission.to_string())
    }

    fn has_frames(&self) -> bool {
        self.psbts.iter().any(|psbt| !psbt.frames.is_empty())
    }
}

fn psbts(charter: CharterId, state: &SettlementState) -> Vec<PsbtFile> {
    let id = state.plan.id();
    let few = state.plan.terms().inputs().len() <= MAX_QR_INPUTS;
    let places = state.plan.forms().map(|(place, _, _)| place);
    let file = |(place, psbt): (crate::escrow::settlement::Place, bitcoin::Psbt)| {
        let (chunk, form) = (place.chunk, place.form);
        let bytes = psbt.serialize().len();
        let frames = if few { bbqr::frames(&psbt).unwrap_or_default() } else { Vec::new() };
        let frames = (0..frames.len())
            .map(|number| format!("/tasks/{charter}/settlements/{id}/frames/{chunk}-{form}-{number}.svg"));
        PsbtFile {
            chunk,
            form,
            feerate_sat_per_vb: place.feerate_sat_per_vb,
            name: files::file_name(&id, chunk, form),
            path: format!("/tasks/{charter}/settlements/{id}/psbts/{chunk}-{form}"),
            bytes,
            base64: (bytes <= MAX_TEXT_BYTES).then(|| psbt.to_string()),
            frames: frames.collect(),
        }
    };
    places.zip(state.plan.psbts()).map(file).collect()
}

impl Signing {
    fn new(task: &Task, state: &SettlementState, view: &SettlementView, tip: Option<&Tip>) -> Signing {
        let ruling = matches!(view.kind, Kind::Ruling { .. });
        let done = &view.signed_by;
        let some = |role: Role| {
            let mut forms = view.transactions.iter().flat_map(|transaction| &transaction.forms);
            forms.any(|form| form.signed_by.contains(&role))
        };
        let seats = Role::ALL.map(|role| SeatSigned {
            role,
            signed: match (done.contains(&role), some(role)) {
                (true, _) => Signed::All,
                (false, true) => Signed::Some,
                (false, false) => Signed::Nothing,
            },
            needed: ruling && role == Role::Arbiter,
        });
        let refused = tip.and_then(|tip| task.may_be_signed(state, tip).err());
        let over = matches!(view.progress, SettlementProgress::Confirmed | SettlementProgress::Conflicted);
        let depths = view.transactions.iter().map(|transaction| match transaction.fate {
            Some(Fate::Confirmed { depth }) => Some(depth),
            _ => None,
        });
        let confirmations = depths.collect::<Option<Vec<u32>>>().and_then(|all| all.into_iter().min());
        // For a ruling two that are not the arbiter are still only one of the two that are needed.
        let count = match (ruling, done.contains(&Role::Arbiter)) {
            (true, false) => done.len().min(1),
            _ => done.len().min(2),
        };
        let depth = task.charter().fields().depth;
        let mut signing = Signing {
            state: String::new(),
            count,
            seats: seats.into(),
            proposed_mtp_secs: state.at_mtp_secs,
            open: tip.is_some() && refused.is_none() && !over,
            refused: refused.filter(|_| !over).map(|refused| Refusal::new(&refused)),
            sent: !state.broadcasts.is_empty(),
            confirmations,
            cutoff_secs: task.charter().cutoff_secs(),
        };
        signing.state = signing.words(view, done, ruling, depth);
        signing
    }

    fn words(&self, view: &SettlementView, done: &[Role], ruling: bool, depth: u32) -> String {
        let waits = if ruling && !done.contains(&Role::Arbiter) {
            "The arbiter must be one of the two."
        } else {
            "Any other of the three can be the second."
        };
        match view.progress {
            SettlementProgress::Proposed if ruling => {
                "Nobody has signed yet. The arbiter and one other signer must.".to_owned()
            }
            SettlementProgress::Proposed => {
                "Nobody has signed yet. Two of the three signers must.".to_owned()
            }
            SettlementProgress::Signing if done.is_empty() => {
                "Some of the feerates are signed. Each needs two of the three signers.".to_owned()
            }
            SettlementProgress::Signing => {
                format!("{} of 2 signed, by {}. {waits}", self.count, people(done))
            }
            SettlementProgress::Complete if self.sent => format!(
                "2 of 2 signed, by {}. It was handed to the network and waits to be mined.",
                people(done)
            ),
            SettlementProgress::Complete => {
                format!("2 of 2 signed, by {}. It goes to the network now.", people(done))
            }
            SettlementProgress::Confirmed => match self.confirmations {
                Some(has) if has < depth => format!("It is mined: {has} of {depth} confirmations."),
                _ => "It is done: mined, and deep enough in the chain.".to_owned(),
            },
            SettlementProgress::Conflicted => {
                "It will not happen: something else spent what it wanted to spend.".to_owned()
            }
        }
    }
}

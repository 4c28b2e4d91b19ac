//! Settlements: proposed, handed to signers, signed.

use super::super::body::{Body, Params};
use super::super::page::{self, PageQuery, Query};
use super::super::{ApiError, App, Identity};
use super::paths::{SettlementPath, TaskPath};
use crate::escrow::refund::RefundSignatures;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{CharterId, SettlementId, SubmissionId};
use crate::service::schema;
use crate::service::views::{Page, SettlementPsbts, SettlementView};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use bitcoin::Psbt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A settlement to be proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NewSettlement {
    /// Pays what the votes on a submission allow.
    Payout {
        /// The submission.
        submission: SubmissionId,
        /// Its lowest feerate, sat/vB; estimated if left out.
        #[schema(value_type = Option<schema::Feerate>)]
        feerate_sat_per_vb: Option<u64>,
    },
    /// Gives everything back before T.
    EarlyReturn {
        /// Its lowest feerate, sat/vB; estimated if left out.
        #[schema(value_type = Option<schema::Feerate>)]
        feerate_sat_per_vb: Option<u64>,
    },
    /// Carries out the arbiter's ruling over the noes of a submission.
    Ruling {
        /// The submission.
        submission: SubmissionId,
        /// Its lowest feerate, sat/vB; estimated if left out.
        #[schema(value_type = Option<schema::Feerate>)]
        feerate_sat_per_vb: Option<u64>,
    },
    /// Pays one milestone's share of pledges that voted yes and whose refunds of the rest are prepared; the rest stays in escrow.
    Milestone {
        /// A submission of that milestone.
        submission: SubmissionId,
        /// Its lowest feerate, sat/vB; if left out, the one that most sponsors signed refunds for.
        #[schema(value_type = Option<schema::Feerate>)]
        feerate_sat_per_vb: Option<u64>,
    },
    /// Moves pledges whose sponsors signed for it to their pledges under another charter.
    Move {
        /// That charter.
        to: CharterId,
        /// Its lowest feerate, sat/vB; if left out, the one that most sponsors signed refunds for.
        #[schema(value_type = Option<schema::Feerate>)]
        feerate_sat_per_vb: Option<u64>,
    },
}

impl NewSettlement {
    fn parts(self) -> (Kind, Option<u64>) {
        match self {
            NewSettlement::Payout { submission, feerate_sat_per_vb } => {
                (Kind::Payout { submission }, feerate_sat_per_vb)
            }
            NewSettlement::EarlyReturn { feerate_sat_per_vb } => (Kind::EarlyReturn, feerate_sat_per_vb),
            NewSettlement::Ruling { submission, feerate_sat_per_vb } => {
                (Kind::Ruling { submission }, feerate_sat_per_vb)
            }
            NewSettlement::Milestone { submission, feerate_sat_per_vb } => {
                (Kind::Milestone { submission }, feerate_sat_per_vb)
            }
            NewSettlement::Move { to, feerate_sat_per_vb } => (Kind::Move { to }, feerate_sat_per_vb),
        }
    }
}

/// Signed PSBTs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSignatures {
    /// Base64 (BIP174), any number of forms.
    #[schema(value_type = Vec<schema::PsbtBase64>)]
    pub psbts: Vec<String>,
}

/// Refunds of what a settlement leaves in escrow or moves to another charter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreparedRefunds {
    /// One for each output of each form that would keep money in an escrow; pairs alone, without their ladders.
    pub refunds: Vec<RefundSignatures>,
}

fn view(app: &App, charter: &CharterId, id: &SettlementId) -> Result<Json<SettlementView>, ApiError> {
    let view = app.service.read_task(charter, |task, tip| {
        task.settlements().get(id).map(|settlement| SettlementView::new(task, settlement, tip))
    })?;
    view.map(Json).ok_or(ApiError::missing("settlement"))
}

/// Propose a settlement
///
/// Of all that votes and rulings allow now. The same again answers the same.
#[utoipa::path(
    post, path = "/tasks/{charter}/settlements", operation_id = "proposeSettlement", tag = "settlements",
    params(TaskPath),
    request_body = NewSettlement,
    responses((status = 201, description = "The settlement of all that votes and rulings allow now.", body = SettlementView))
)]
pub(super) async fn propose(
    State(app): State<App>,
    _: Identity,
    Params(charter): Params<CharterId>,
    Body(new): Body<NewSettlement>,
) -> Result<(StatusCode, Json<SettlementView>), ApiError> {
    let (kind, feerate_sat_per_vb) = new.parts();
    let id = app.service.propose(&charter, kind, feerate_sat_per_vb).await?;
    Ok((StatusCode::CREATED, view(&app, &charter, &id)?))
}

/// List a task's settlements
///
/// In pages, in the order they were proposed. The `Link` header leads to the next page.
#[utoipa::path(
    get, path = "/tasks/{charter}/settlements", operation_id = "listSettlements", tag = "settlements",
    params(TaskPath, PageQuery),
    responses((
        status = 200, description = "A page of settlements.", body = Page<SettlementView>,
        headers(("Link" = String, description = "Where the next page is, `rel=\"next\"` (RFC 8288)."))
    ))
)]
pub(super) async fn list(
    State(app): State<App>,
    uri: Uri,
    Params(charter): Params<CharterId>,
    Query(query): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let (limit, after) = (query.limit()?, query.after()?);
    let page = app.service.read_task(&charter, |task, tip| SettlementView::page(task, tip, after, limit))?;
    Ok(page::respond(&uri, page))
}

/// Read a settlement
///
/// Its transactions, forms, and how far it is.
#[utoipa::path(
    get, path = "/tasks/{charter}/settlements/{settlement}", operation_id = "getSettlement", tag = "settlements",
    params(SettlementPath),
    responses((status = 200, description = "The settlement.", body = SettlementView))
)]
pub(super) async fn show(
    State(app): State<App>,
    Params((charter, settlement)): Params<(CharterId, SettlementId)>,
) -> Result<Json<SettlementView>, ApiError> {
    view(&app, &charter, &settlement)
}

/// Read a settlement's PSBTs
///
/// For signers. Check every one against charter and votes before signing.
#[utoipa::path(
    get, path = "/tasks/{charter}/settlements/{settlement}/psbts", operation_id = "getSettlementPsbts", tag = "settlements",
    params(SettlementPath),
    responses((status = 200, description = "One PSBT for each form of each transaction, unsigned.", body = SettlementPsbts))
)]
pub(super) async fn psbts(
    State(app): State<App>,
    Params((charter, settlement)): Params<(CharterId, SettlementId)>,
) -> Result<Json<SettlementPsbts>, ApiError> {
    Ok(Json(app.service.psbts(&charter, &settlement)?))
}

/// Hand in signed PSBTs
///
/// Each signature is checked against the very settlement proposed. With two signers it goes out.
#[utoipa::path(
    post, path = "/tasks/{charter}/settlements/{settlement}/signatures", operation_id = "signSettlement", tag = "settlements",
    params(SettlementPath),
    request_body = NewSignatures,
    responses((status = 200, description = "The settlement with the signatures that are new.", body = SettlementView))
)]
pub(super) async fn sign(
    State(app): State<App>,
    Params((charter, settlement)): Params<(CharterId, SettlementId)>,
    Body(signatures): Body<NewSignatures>,
) -> Result<Json<SettlementView>, ApiError> {
    let mut psbts = Vec::with_capacity(signatures.psbts.len());
    for (at, text) in signatures.psbts.iter().enumerate() {
        let psbt: Psbt = text.trim().parse().map_err(|e| {
            ApiError::new("bad_psbt", format!("psbts[{at}] is no PSBT (base64, BIP174): {e}"))
        })?;
        psbts.push(psbt);
    }
    app.service.sign_with_psbts(&charter, &settlement, &psbts).await?;
    view(&app, &charter, &settlement)
}

/// Get the refunds of what a settlement keeps in escrow
///
/// For signers of milestones and moves: they check, for every form, that the sponsor can take back what stays in escrow. Only pairs are given out; they move nothing before T and pay nobody but the sponsor.
#[utoipa::path(
    get, path = "/tasks/{charter}/settlements/{settlement}/prepared-refunds", operation_id = "preparedRefunds",
    tag = "settlements",
    params(SettlementPath),
    responses((status = 200, description = "The refunds; none for a settlement that keeps nothing in escrow.", body = PreparedRefunds))
)]
pub(super) async fn prepared(
    State(app): State<App>,
    Params((charter, id)): Params<(CharterId, SettlementId)>,
) -> Result<Json<PreparedRefunds>, ApiError> {
    let refunds = app.service.prepared_refunds(&charter, &id)?.ok_or(ApiError::missing("settlement"))?;
    Ok(Json(PreparedRefunds { refunds }))
}

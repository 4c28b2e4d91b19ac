//! Pledges: addresses issued, refunds kept, QR codes.

use super::super::body::{Body, Params};
use super::super::page::{self, PageQuery, Query};
use super::super::{ApiError, App, qr_payload, qr_svg};
use super::paths::{PledgePath, TaskPath};
use crate::escrow::descriptor::Slot;
use crate::escrow::event::Command;
use crate::escrow::refund::{LadderSignatures, RefundSignatures};
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{CharterId, Move, Signed};
use crate::service::schema;
use crate::service::views::{Page, PledgeView};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{Amount, OutPoint};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A pledge to be issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPledge {
    /// The task's next index.
    #[schema(value_type = schema::PledgeIndex)]
    pub index: u32,
    /// S.
    #[schema(value_type = schema::PublicKey)]
    pub sponsor_key: XOnlyPublicKey,
    /// Where refunds and returns go.
    #[schema(value_type = schema::BitcoinAddress)]
    pub refund_address: String,
    /// BIP340 signature over the pledge statement, tag `upfront/pledge`.
    pub signature: StatementSignature,
    /// What the sponsor means to pay.
    #[schema(value_type = schema::Sat)]
    pub amount_sat: u64,
}

/// A refund of an output that a settlement may make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreparedRefund {
    /// Generation of the pledge's address that the output will pay: 0 for what moves here from another charter.
    #[schema(value_type = schema::Generation)]
    pub generation: u32,
    /// The refund, for exactly the outpoint and amount that it will have.
    pub refund: RefundSignatures,
}

/// A move from T on, by the sponsor alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLateMove {
    /// The sponsor's consent.
    #[schema(value_type = schema::SignedMove)]
    pub consent: Signed<Move>,
    /// A ladder of the outpoint that pays the new pledge's address. There is no pair: a batch's txid is not known
    /// beforehand, and what arrives must have its refund.
    pub ladder: LadderSignatures,
}

fn view(app: &App, charter: &CharterId, index: u32) -> Result<PledgeView, ApiError> {
    let view = app.service.read_task(charter, |task, tip| PledgeView::of(task, index, tip))?;
    view.ok_or(ApiError::missing("pledge"))
}

/// The pledge that an outpoint lies at.
fn of_outpoint(app: &App, charter: &CharterId, outpoint: OutPoint) -> Result<Json<PledgeView>, ApiError> {
    let view = app.service.read_task(charter, |task, tip| {
        PledgeView::of(task, task.outpoints().get(&outpoint)?.slot.index, tip)
    })?;
    view.map(Json).ok_or(ApiError::missing("pledge"))
}

/// Issue a pledge
///
/// Gives out the address of the next index. When somebody else was faster, the answer is 409 `index_taken` with the next free index in its words: sign again for that one.
#[utoipa::path(
    post, path = "/tasks/{charter}/pledges", operation_id = "issuePledge", tag = "pledges",
    params(TaskPath),
    request_body = NewPledge,
    responses((status = 201, description = "The pledge with its address. Check that charter and key give it before paying.", body = PledgeView))
)]
pub(super) async fn issue(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(new): Body<NewPledge>,
) -> Result<(StatusCode, Json<PledgeView>), ApiError> {
    let command = Command::IssuePledge {
        index: new.index,
        sponsor_key: new.sponsor_key,
        refund_address: new.refund_address,
        signature: new.signature,
        amount: Amount::from_sat(new.amount_sat),
    };
    app.service.submit(&charter, command).await?;
    Ok((StatusCode::CREATED, Json(view(&app, &charter, new.index)?)))
}

/// List a task's pledges
///
/// In pages, by index. The `Link` header leads to the next page.
#[utoipa::path(
    get, path = "/tasks/{charter}/pledges", operation_id = "listPledges", tag = "pledges",
    params(TaskPath, PageQuery),
    responses((
        status = 200, description = "A page of pledges.", body = Page<PledgeView>,
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
    let page = app.service.read_task(&charter, |task, tip| PledgeView::page(task, tip, after, limit))?;
    Ok(page::respond(&uri, page))
}

/// Read a pledge
///
/// Where to pay, and what arrived.
#[utoipa::path(
    get, path = "/tasks/{charter}/pledges/{index}", operation_id = "getPledge", tag = "pledges",
    params(PledgePath),
    responses((status = 200, description = "The pledge.", body = PledgeView))
)]
pub(super) async fn show(
    State(app): State<App>,
    Params((charter, index)): Params<(CharterId, u32)>,
) -> Result<Json<PledgeView>, ApiError> {
    Ok(Json(view(&app, &charter, index)?))
}

/// Read a pledge's QR code
///
/// The payment link (BIP321) as a picture.
#[utoipa::path(
    get, path = "/tasks/{charter}/pledges/{index}/qr.svg", operation_id = "getPledgeQr", tag = "pledges",
    params(PledgePath),
    responses((status = 200, description = "QR code of the payment link.", body = String, content_type = "image/svg+xml"))
)]
pub(super) async fn qr(
    State(app): State<App>,
    Params((charter, index)): Params<(CharterId, u32)>,
) -> Result<Response, ApiError> {
    let payload = app.service.read_task(&charter, |task, _| {
        let pledge = task.pledges().get(&index)?;
        Some(qr_payload(&pledge.output.address, pledge.promised))
    })?;
    let payload = payload.ok_or(ApiError::missing("pledge"))?;
    let svg = qr_svg(&payload).map_err(|error| {
        tracing::error!(%error, "no QR code could be made");
        ApiError::internal()
    })?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}

/// Hand in a refund
///
/// Signed in advance by the sponsor, for exactly this outpoint and amount. It is kept and never given out.
#[utoipa::path(
    post, path = "/tasks/{charter}/refunds", operation_id = "secureRefund", tag = "pledges",
    params(TaskPath),
    request_body = RefundSignatures,
    responses((status = 200, description = "The pledge, its outpoint secured.", body = PledgeView))
)]
pub(super) async fn secure(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(refund): Body<RefundSignatures>,
) -> Result<Json<PledgeView>, ApiError> {
    let outpoint = refund.outpoint;
    app.service.submit(&charter, Command::SecureRefund { refund }).await?;
    of_outpoint(&app, &charter, outpoint)
}

/// Prepare a refund
///
/// Of an output that does not exist yet: what a milestone's payout would leave of the pledge, or what a move would bring here. A settlement is proposed only for pledges whose refunds are prepared for each of its forms. It is kept, and given out as a pair only.
#[utoipa::path(
    post, path = "/tasks/{charter}/pledges/{index}/prepared-refunds", operation_id = "prepareRefund",
    tag = "pledges",
    params(PledgePath),
    request_body = NewPreparedRefund,
    responses((status = 200, description = "The pledge.", body = PledgeView))
)]
pub(super) async fn prepare(
    State(app): State<App>,
    Params((charter, index)): Params<(CharterId, u32)>,
    Body(NewPreparedRefund { generation, refund }): Body<NewPreparedRefund>,
) -> Result<Json<PledgeView>, ApiError> {
    let slot = Slot { index, generation };
    app.service.submit(&charter, Command::PrepareRefund { slot, refund }).await?;
    Ok(Json(view(&app, &charter, index)?))
}

/// Sign a move
///
/// A sponsor's consent that one outpoint moves to a pledge of theirs under another charter of this service, which was issued before with the same sponsor key.
#[utoipa::path(
    post, path = "/tasks/{charter}/moves", operation_id = "signMove", tag = "pledges",
    params(TaskPath),
    request_body = schema::SignedMove,
    responses((status = 200, description = "The pledge that it leaves.", body = PledgeView))
)]
pub(super) async fn sign_move(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(consent): Body<Signed<Move>>,
) -> Result<Json<PledgeView>, ApiError> {
    let outpoint = consent.statement.outpoint;
    app.service.submit(&charter, Command::SignMove { consent }).await?;
    of_outpoint(&app, &charter, outpoint)
}

/// Sign a move from T on
///
/// By the sponsor alone: from T on the service sends this ladder in place of the refund, as long as the other charter takes pledges. The refunds of what each rung would bring there are prepared with the other task first.
#[utoipa::path(
    post, path = "/tasks/{charter}/late-moves", operation_id = "signLateMove", tag = "pledges",
    params(TaskPath),
    request_body = NewLateMove,
    responses((status = 200, description = "The pledge that it leaves.", body = PledgeView))
)]
pub(super) async fn sign_late_move(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(NewLateMove { consent, ladder }): Body<NewLateMove>,
) -> Result<Json<PledgeView>, ApiError> {
    let outpoint = consent.statement.outpoint;
    app.service.submit(&charter, Command::SignLateMove { consent, ladder }).await?;
    of_outpoint(&app, &charter, outpoint)
}

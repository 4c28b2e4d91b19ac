//! Pledges: addresses issued, refunds kept, QR codes.

use super::super::body::{Body, Params};
use super::super::{ApiError, App, qr_payload, qr_svg};
use crate::escrow::event::Command;
use crate::escrow::refund::RefundSignatures;
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::CharterId;
use crate::service::views::PledgeView;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bitcoin::Amount;
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::{Deserialize, Serialize};

/// A pledge to be issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPledge {
    /// The task's next index.
    pub index: u32,
    /// S.
    pub sponsor_key: XOnlyPublicKey,
    /// Where refunds and returns go.
    pub refund_address: String,
    /// BIP340 signature over the pledge statement, tag `upfront/pledge`.
    pub signature: StatementSignature,
    /// What the sponsor means to pay.
    pub amount_sat: u64,
}

fn view(app: &App, charter: &CharterId, index: u32) -> Result<PledgeView, ApiError> {
    let view = app.service.read_task(charter, |task, tip| PledgeView::of(task, index, tip))?;
    view.ok_or(ApiError::missing("pledge"))
}

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

pub(super) async fn show(
    State(app): State<App>,
    Params((charter, index)): Params<(CharterId, u32)>,
) -> Result<Json<PledgeView>, ApiError> {
    Ok(Json(view(&app, &charter, index)?))
}

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

pub(super) async fn secure(
    State(app): State<App>,
    Params(charter): Params<CharterId>,
    Body(refund): Body<RefundSignatures>,
) -> Result<Json<PledgeView>, ApiError> {
    let outpoint = refund.outpoint;
    app.service.submit(&charter, Command::SecureRefund { refund }).await?;
    let index =
        app.service.read_task(&charter, |task, _| task.outpoints().get(&outpoint).map(|h| h.slot.index))?;
    Ok(Json(view(&app, &charter, index.ok_or(ApiError::missing("pledge"))?)?))
}

//! Webhooks: subscribed to, looked at, tried, ended; by the identity that has them.

use super::super::body::{Body, Params};
use super::super::{ApiError, App, Identity};
use super::paths::WebhookPath;
use crate::escrow::public::ProjectId;
use crate::escrow::statement::{CharterId, TaskId};
use crate::webhooks::{Attempt, HookId, Owner, Scope, WebhookError, WebhookView, Webhooks};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where events are posted: https, a public host.
    #[schema(max_length = 2000)]
    pub url: String,
    /// Only what happens to this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<CharterId>,
    /// Only what happens to tasks and wishes of this project, and what keys say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// Only what is said to this wish, and charters drafted from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<TaskId>,
    /// Only events of these types; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 128)]
    pub types: Vec<String>,
}

/// A webhook that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedWebhook {
    /// It.
    pub webhook: WebhookView,
    /// What its messages are signed with (HMAC-SHA256, Standard Webhooks). Told this once.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/=]+$")]
    pub secret: String,
}

/// An identity's webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookList {
    /// All of them.
    pub items: Vec<WebhookView>,
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> ApiError {
        if let WebhookError::Journal(source) = &error {
            tracing::error!(error = %source, "the journal of webhooks failed");
        }
        ApiError::mapped(error.code(), error.to_string())
    }
}

fn on(app: &App) -> Result<&Arc<Webhooks>, ApiError> {
    Ok(app.webhooks.as_ref().ok_or(WebhookError::Off)?)
}

/// Subscribe
///
/// Public events of everything, a task, a wish or a project are posted to `url` from now on, each at least once and in order,
/// signed. The secret is told this once.
#[utoipa::path(
    post, path = "/webhooks", operation_id = "createWebhook", tag = "webhooks",
    request_body = NewWebhook,
    responses((status = 201, description = "The webhook, and its secret.", body = CreatedWebhook))
)]
pub(super) async fn create(
    State(app): State<App>,
    Identity(by): Identity,
    Body(new): Body<NewWebhook>,
) -> Result<(StatusCode, Json<CreatedWebhook>), ApiError> {
    let NewWebhook { url, task, project, wish, types } = new;
    let (webhook, secret) = on(&app)?.create(Owner(by), &url, Scope { task, project, wish }, types).await?;
    Ok((StatusCode::CREATED, Json(CreatedWebhook { webhook, secret: secret.expose() })))
}

/// List your webhooks
///
/// Those of the identity that signs the request.
#[utoipa::path(
    get, path = "/webhooks", operation_id = "listWebhooks", tag = "webhooks",
    responses((status = 200, description = "The webhooks.", body = WebhookList))
)]
pub(super) async fn list(
    State(app): State<App>,
    Identity(by): Identity,
) -> Result<Json<WebhookList>, ApiError> {
    Ok(Json(WebhookList { items: on(&app)?.list(Owner(by)) }))
}

/// Read a webhook
///
/// How far it is, and what came of the last tries.
#[utoipa::path(
    get, path = "/webhooks/{webhook}", operation_id = "getWebhook", tag = "webhooks", params(WebhookPath),
    responses((status = 200, description = "The webhook.", body = WebhookView))
)]
pub(super) async fn show(
    State(app): State<App>,
    Identity(by): Identity,
    Params(id): Params<HookId>,
) -> Result<Json<WebhookView>, ApiError> {
    Ok(Json(on(&app)?.view(Owner(by), id)?))
}

/// End a webhook
///
/// Nothing is posted any more, but for what is just under way.
#[utoipa::path(
    delete, path = "/webhooks/{webhook}", operation_id = "removeWebhook", tag = "webhooks", params(WebhookPath),
    responses((status = 204, description = "It is gone."))
)]
pub(super) async fn remove(
    State(app): State<App>,
    Identity(by): Identity,
    Params(id): Params<HookId>,
) -> Result<StatusCode, ApiError> {
    on(&app)?.remove(Owner(by), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try a webhook
///
/// Posts a made-up event of type `webhook_test` once, and tells what was answered.
#[utoipa::path(
    post, path = "/webhooks/{webhook}/test", operation_id = "testWebhook", tag = "webhooks", params(WebhookPath),
    responses((status = 200, description = "What came of it.", body = Attempt))
)]
pub(super) async fn test(
    State(app): State<App>,
    Identity(by): Identity,
    Params(id): Params<HookId>,
) -> Result<Json<Attempt>, ApiError> {
    Ok(Json(on(&app)?.test(Owner(by), id).await?))
}

/// Resume a webhook
///
/// Goes on with one that was disabled, where it stopped.
#[utoipa::path(
    post, path = "/webhooks/{webhook}/resume", operation_id = "resumeWebhook", tag = "webhooks",
    params(WebhookPath),
    responses((status = 200, description = "The webhook.", body = WebhookView))
)]
pub(super) async fn resume(
    State(app): State<App>,
    Identity(by): Identity,
    Params(id): Params<HookId>,
) -> Result<Json<WebhookView>, ApiError> {
    Ok(Json(on(&app)?.resume(Owner(by), id).await?))
}

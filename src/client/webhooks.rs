//! Webhooks, as the commands ask for them.

use super::{Client, ClientError};
use crate::escrow::public::ProjectId;
use crate::escrow::statement::CharterId;
use crate::webhooks::{Attempt, HookId, WebhookView};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A webhook to be made.
#[derive(Clone, Debug, Serialize)]
pub struct WebhookOrder {
    /// Where events go.
    pub url: String,
    /// Only of this task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<CharterId>,
    /// Only of this project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// Only of this wish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wish: Option<crate::escrow::statement::TaskId>,
    /// Only of these types.
    pub types: Vec<String>,
}

/// A webhook that was made, with the secret that is told once.
#[derive(Deserialize)]
pub struct MadeWebhook {
    /// It.
    pub webhook: WebhookView,
    /// What signs.
    pub secret: String,
}

#[derive(Deserialize)]
struct List {
    items: Vec<WebhookView>,
}

impl Client {
    /// Subscribes.
    pub fn create_webhook(&self, order: &WebhookOrder) -> Result<MadeWebhook, ClientError> {
        self.post_signed("/webhooks", order)
    }

    /// All webhooks of the identity.
    pub fn webhooks(&self) -> Result<Vec<WebhookView>, ClientError> {
        let list: List = self.json("GET /webhooks", &self.ask_signed("GET", "/webhooks")?)?;
        Ok(list.items)
    }

    /// One of them.
    pub fn webhook(&self, id: HookId) -> Result<WebhookView, ClientError> {
        let path = format!("/webhooks/{id}");
        self.json("GET /webhooks", &self.ask_signed("GET", &path)?)
    }

    /// Ends one.
    pub fn remove_webhook(&self, id: HookId) -> Result<(), ClientError> {
        self.ask_signed("DELETE", &format!("/webhooks/{id}")).map(|_| ())
    }

    /// Has a made-up event sent.
    pub fn test_webhook(&self, id: HookId) -> Result<Attempt, ClientError> {
        self.post_signed(&format!("/webhooks/{id}/test"), &json!({}))
    }

    /// Goes on with a disabled one.
    pub fn resume_webhook(&self, id: HookId) -> Result<WebhookView, ClientError> {
        self.post_signed(&format!("/webhooks/{id}/resume"), &json!({}))
    }
}

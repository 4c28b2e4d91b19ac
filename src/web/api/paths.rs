//! What stands in paths, for the document: handlers take the same by `Params`.

use crate::escrow::public::ProjectId;
use crate::escrow::statement::{CharterId, SettlementId, SubmissionId, TaskId};
use crate::service::schema;
use utoipa::IntoParams;

/// Names a task.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(super) struct TaskPath {
    /// Id of the task's charter.
    charter: CharterId,
}

/// Names a pledge.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(super) struct PledgePath {
    /// Id of the task's charter.
    charter: CharterId,
    /// Index of the pledge.
    #[param(value_type = schema::PledgeIndex)]
    index: u32,
}

/// Names a submission.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(super) struct SubmissionPath {
    /// Id of the task's charter.
    charter: CharterId,
    /// Id of the submission.
    submission: SubmissionId,
}

/// Names a settlement.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(super) struct SettlementPath {
    /// Id of the task's charter.
    charter: CharterId,
    /// Id of the settlement.
    settlement: SettlementId,
}

/// Names a project.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(super) struct ProjectPath {
    /// Id of the project.
    project: ProjectId,
}

/// Names a wish.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(super) struct WishPath {
    /// Id of the wish.
    wish: TaskId,
}

/// Names an arbiter.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(super) struct ArbiterPath {
    /// Fingerprint of the root that the arbiter's keys are declared to come from.
    #[param(value_type = schema::Fingerprint)]
    fingerprint: String,
}

/// Names a webhook.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub(super) struct WebhookPath {
    /// Id of the webhook.
    webhook: crate::webhooks::HookId,
}

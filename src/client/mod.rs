//! The HTTP client of the commands: one method a resource of `docs/API.md`, typed by the service's own
//! views. It carries requests and answers and believes nothing: what must not be taken on trust is
//! checked in `checked.rs`.

mod checked;
pub mod events;
mod kept;
mod sse;
mod webhooks;
mod wishes;

pub use checked::{CheckedTask, charter_of};
pub use webhooks::{MadeWebhook, WebhookOrder};
pub use wishes::CheckedWish;

use crate::escrow::refund::RefundSignatures;
use crate::escrow::settlement::Kind;
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{
    Acceptance, CharterId, Evidence, MergeConfirmation, Pledge, Role, Ruling, SettlementId, Signed,
    Submission, SubmissionId, Vote,
};
use crate::keys::Identity;
use crate::nip98::Asked;
use crate::service::views::{
    ArbiterView, MAX_LIMIT, Page, PledgeView, ReceiptView, SettlementPsbts, SettlementView, StatusView,
    SubmissionView, TaskQuery, TaskSummary, TaskView,
};
use bitcoin::hex::DisplayHex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use ureq::{Agent, Body, http::Response};

/// Longest answer read: a proof document of a task with some ten thousand pledges.
const MAX_ANSWER_BYTES: u64 = 256 * 1024 * 1024;
/// A whole request takes at most so long.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A connection is made within so long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an unexpected answer goes into an error.
const MAX_DETAIL_CHARS: usize = 200;

/// Why there is no answer, or none to rely on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service says no, in its own words.
    #[error("the service refused: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable code, see `docs/API.md`.
        code: String,
        /// For people.
        message: String,
        /// What to do, if the service says so.
        hint: Option<String>,
    },
    /// No service there, or none that answers.
    #[error("no answer from the service at {server}: {detail}")]
    Unreachable {
        /// Its URL.
        server: String,
        /// What happened.
        detail: String,
    },
    /// An answer that is not one of the API's.
    #[error("the service's answer to {request} cannot be read: {detail}")]
    Answer {
        /// Which request.
        request: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The request could not be signed. Nothing was sent.
    #[error("{request} cannot be signed: {detail}")]
    Unsigned {
        /// Which request.
        request: String,
        /// What is missing.
        detail: String,
    },
    /// The service says something that is not so. Nothing was done.
    #[error("the service's {field} is not true: {problem}")]
    Untrue {
        /// The field that differs from what was computed here.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl ClientError {
    /// Stable code for programs: the service's own where it refused.
    pub fn code(&self) -> &str {
        match self {
            ClientError::Refused { code, .. } => code,
            ClientError::Unreachable { .. } => "service_unreachable",
            ClientError::Answer { .. } => "service_answer",
            ClientError::Unsigned { .. } => "request_unsigned",
            ClientError::Untrue { .. } => "service_untrue",
        }
    }

    /// That something the service says is not so.
    pub fn untrue(field: impl Into<String>, problem: impl ToString) -> ClientError {
        ClientError::Untrue { field: field.into(), problem: problem.to_string() }
    }
}

/// The body of an error answer (RFC 9457), as far as it is used.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
    hint: Option<String>,
}

/// What `POST /tasks` answers.
#[derive(Deserialize)]
struct Created {
    charter: CharterId,
}

/// A service.
pub struct Client {
    server: String,
    agent: Agent,
    identity: Option<Identity>,
}

impl Client {
    /// A client of the service at `server`, such as `http://127.0.0.1:8032`. Nothing is sent yet.
    pub fn new(server: &str) -> Client {
        let server = server.trim_end_matches('/').to_owned();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("upfront/", env!("CARGO_PKG_VERSION")));
        // A service on this machine is never asked through a proxy of the environment.
        let config = if is_loopback(&server) { config.proxy(None) } else { config };
        Client { server, agent: config.build().into(), identity: None }
    }

    /// Signs what is asked in somebody's name.
    pub fn signing(self, identity: Identity) -> Client {
        Client { identity: Some(identity), ..self }
    }

    /// Where the service is.
    pub fn server(&self) -> &str {
        &self.server
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(&format!("GET {path}"), &self.get_text(path)?)
    }

    fn get_text(&self, path: &str) -> Result<String, ClientError> {
        let response = self.agent.get(self.url(path)).call().map_err(|error| self.unreachable(&error))?;
        self.text(&format!("GET {path}"), response)
    }

    /// With what is set of `query` as query parameters.
    fn get_query(&self, path: &str, query: &impl Serialize) -> Result<String, ClientError> {
        let fields = serde_json::to_value(query).expect("a query is JSON");
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut request = self.agent.get(self.url(path));
        for (name, value) in fields.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            request = request.query(name, text(value));
        }
        let response = request.call().map_err(|error| self.unreachable(&error))?;
        self.text(&format!("GET {path}"), response)
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let response =
            self.agent.post(self.url(path)).send_json(body).map_err(|error| self.unreachable(&error))?;
        let request = format!("POST {path}");
        self.json(&request, &self.text(&request, response)?)
    }

    /// As [`Client::post`], signed by the identity if there is one; without it the service says what is missing.
    fn post_signed<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let Some(identity) = &self.identity else { return self.post(path, body) };
        let request = format!("POST {path}");
        let unsigned = |error: serde_json::Error| ClientError::Unsigned {
            request: request.clone(),
            detail: error.to_string(),
        };
        let bytes = serde_json::to_vec(body).map_err(unsigned)?;
        let url = self.url(path);
        let header = self.authorization(identity, "POST", path, &bytes)?;
        let response = self
            .agent
            .post(&url)
            .header("content-type", "application/json")
            .header("authorization", header)
            .send(&bytes)
            .map_err(|error| self.unreachable(&error))?;
        self.json(&request, &self.text(&request, response)?)
    }

    /// A request without a body, signed by the identity if there is one; the text of the answer.
    fn ask_signed(&self, method: &'static str, path: &str) -> Result<String, ClientError> {
        let url = self.url(path);
        let request = match method {
            "DELETE" => self.agent.delete(&url),
            _ => self.agent.get(&url),
        };
        let request = match &self.identity {
            Some(identity) => {
                request.header("authorization", self.authorization(identity, method, path, &[])?)
            }
            None => request,
        };
        let response = request.call().map_err(|error| self.unreachable(&error))?;
        self.text(&format!("{method} {path}"), response)
    }

    /// The header that says who asks (NIP-98).
    fn authorization(
        &self,
        identity: &Identity,
        method: &'static str,
        path: &str,
        body: &[u8],
    ) -> Result<String, ClientError> {
        let local = |detail: String| ClientError::Unsigned { request: format!("{method} {path}"), detail };
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| local(error.to_string()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| local(error.to_string()))?;
        let asked = Asked { url: &self.url(path), method, body };
        Ok(identity.authorize(&asked, now.as_secs(), &nonce.to_lower_hex_string()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.server)
    }

    fn unreachable(&self, error: &ureq::Error) -> ClientError {
        ClientError::Unreachable { server: self.server.clone(), detail: error.to_string() }
    }

    fn text(&self, request: &str, response: Response<Body>) -> Result<String, ClientError> {
        self.text_within(MAX_ANSWER_BYTES, request, response)
    }

    /// As [`Client::text`], of an answer that is known to be shorter.
    fn text_within(
        &self,
        max_bytes: u64,
        request: &str,
        mut response: Response<Body>,
    ) -> Result<String, ClientError> {
        let status = response.status();
        let body = response.body_mut().with_config().limit(max_bytes).read_to_string();
        let body = body.map_err(|error| ClientError::Answer {
            request: request.to_owned(),
            detail: error.to_string(),
        })?;
        if status.is_success() {
            return Ok(body);
        }
        Err(match serde_json::from_str::<Problem>(&body) {
            Ok(Problem { code, detail, hint }) => ClientError::Refused {
                status: status.as_u16(),
                code: visible(&code),
                message: visible(&detail),
                hint: hint.map(|hint| visible(&hint)),
            },
            Err(_) => ClientError::Answer {
                request: request.to_owned(),
                detail: format!("status {status}, {:?}", visible(&body)),
            },
        })
    }

    fn json<T: DeserializeOwned>(&self, request: &str, text: &str) -> Result<T, ClientError> {
        serde_json::from_str(text)
            .map_err(|error| ClientError::Answer { request: request.to_owned(), detail: error.to_string() })
    }

    /// The service and its chain.
    pub fn status(&self) -> Result<StatusView, ClientError> {
        self.get("/status")
    }

    /// Every task that is wanted, newest first unless asked otherwise, fetched page by page; at most `most`.
    pub fn tasks(&self, query: &TaskQuery, most: usize) -> Result<Vec<TaskSummary>, ClientError> {
        let mut tasks = Vec::new();
        let mut query = query.clone();
        while tasks.len() < most {
            query.limit = Some(u32::try_from(most - tasks.len()).unwrap_or(MAX_LIMIT).min(MAX_LIMIT));
            let page: Page<TaskSummary> = self.json("GET /tasks", &self.get_query("/tasks", &query)?)?;
            // A service that has a next page for ever and nothing on it would keep us for ever.
            if page.items.is_empty() {
                break;
            }
            tasks.extend(page.items);
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        tasks.truncate(most);
        Ok(tasks)
    }

    /// One task, as the service tells it.
    pub fn task(&self, task: &CharterId) -> Result<TaskView, ClientError> {
        self.get(&format!("/tasks/{task}"))
    }

    /// An arbiter's record.
    pub fn arbiter(&self, fingerprint: bitcoin::bip32::Fingerprint) -> Result<ArbiterView, ClientError> {
        self.get(&format!("/arbiters/{fingerprint}"))
    }

    /// Canonical bytes of a charter; [`charter_of`] checks them.
    pub fn charter_text(&self, task: &CharterId) -> Result<String, ClientError> {
        self.get_text(&format!("/tasks/{task}/charter"))
    }

    /// The proof document, unread.
    pub fn proof(&self, task: &CharterId) -> Result<String, ClientError> {
        self.get_text(&format!("/tasks/{task}/proof"))
    }

    /// Writes a task down.
    pub fn create_task(&self, charter: &str, text: &str) -> Result<CharterId, ClientError> {
        let created: Created = self.post_signed("/tasks", &json!({ "charter": charter, "text": text }))?;
        Ok(created.charter)
    }

    /// Agrees to a charter for one seat.
    pub fn attest(
        &self,
        task: &CharterId,
        role: Role,
        signature: &StatementSignature,
    ) -> Result<TaskView, ClientError> {
        self.post(&format!("/tasks/{task}/attestations"), &json!({ "role": role, "signature": signature }))
    }

    /// Asks for a pledge's address.
    pub fn pledge(&self, pledge: &Signed<Pledge>, amount_sat: u64) -> Result<PledgeView, ClientError> {
        let Signed { statement, signature } = pledge;
        let body = json!({
            "index": statement.index,
            "sponsor_key": statement.sponsor_key,
            "refund_address": statement.refund_address.to_string(),
            "signature": signature,
            "amount_sat": amount_sat,
        });
        self.post(&format!("/tasks/{}/pledges", statement.charter), &body)
    }

    /// One pledge.
    pub fn pledge_view(&self, task: &CharterId, index: u32) -> Result<PledgeView, ClientError> {
        self.get(&format!("/tasks/{task}/pledges/{index}"))
    }

    /// Hands in a refund signed in advance.
    pub fn secure(&self, task: &CharterId, refund: &RefundSignatures) -> Result<PledgeView, ClientError> {
        self.post(&format!("/tasks/{task}/refunds"), refund)
    }

    /// Puts work before the sponsors.
    pub fn submit_work(&self, submission: &Signed<Submission>) -> Result<SubmissionView, ClientError> {
        self.post(&format!("/tasks/{}/submissions", submission.statement.charter), submission)
    }

    /// One submission with its tally.
    pub fn submission(&self, task: &CharterId, id: &SubmissionId) -> Result<SubmissionView, ClientError> {
        self.get(&format!("/tasks/{task}/submissions/{id}"))
    }

    /// Votes.
    pub fn vote(&self, vote: &Signed<Vote>) -> Result<ReceiptView, ClientError> {
        self.post(&format!("/tasks/{}/votes", vote.statement.charter), vote)
    }

    /// The leader's word.
    pub fn confirm(&self, confirmation: &Signed<MergeConfirmation>) -> Result<SubmissionView, ClientError> {
        self.post(&format!("/tasks/{}/confirmations", confirmation.statement.charter), confirmation)
    }

    /// The representative's word.
    pub fn accept(&self, acceptance: &Signed<Acceptance>) -> Result<SubmissionView, ClientError> {
        self.post(&format!("/tasks/{}/acceptances", acceptance.statement.charter), acceptance)
    }

    /// The arbiter's word.
    pub fn rule(&self, ruling: &Signed<Ruling>) -> Result<SubmissionView, ClientError> {
        self.post(&format!("/tasks/{}/rulings", ruling.statement.charter), ruling)
    }

    /// A dispute, or evidence.
    pub fn give_evidence(&self, evidence: &Signed<Evidence>) -> Result<SubmissionView, ClientError> {
        self.post(&format!("/tasks/{}/evidence", evidence.statement.charter), evidence)
    }

    /// Proposes a settlement; without a feerate the service asks its node for one.
    pub fn propose(
        &self,
        task: &CharterId,
        kind: Kind,
        feerate_sat_per_vb: Option<u64>,
    ) -> Result<SettlementView, ClientError> {
        #[derive(Serialize)]
        struct Proposal {
            #[serde(flatten)]
            kind: Kind,
            #[serde(skip_serializing_if = "Option::is_none")]
            feerate_sat_per_vb: Option<u64>,
        }
        self.post_signed(&format!("/tasks/{task}/settlements"), &Proposal { kind, feerate_sat_per_vb })
    }

    /// One settlement.
    pub fn settlement(&self, task: &CharterId, id: &SettlementId) -> Result<SettlementView, ClientError> {
        self.get(&format!("/tasks/{task}/settlements/{id}"))
    }

    /// Every form of every transaction of a settlement, unsigned.
    pub fn psbts(&self, task: &CharterId, id: &SettlementId) -> Result<SettlementPsbts, ClientError> {
        self.get(&format!("/tasks/{task}/settlements/{id}/psbts"))
    }

    /// Hands in signed PSBTs, base64.
    pub fn sign(
        &self,
        task: &CharterId,
        id: &SettlementId,
        psbts: &[String],
    ) -> Result<SettlementView, ClientError> {
        self.post(&format!("/tasks/{task}/settlements/{id}/signatures"), &json!({ "psbts": psbts }))
    }
}

fn is_loopback(server: &str) -> bool {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|local| host.strip_prefix(local).is_some_and(|port| port.is_empty() || port.starts_with(':')))
}

/// A server's words on a terminal: one line, nothing that could move the cursor, not too long.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_DETAIL_CHARS * 4).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for local in ["http://127.0.0.1:8032", "http://localhost", "http://[::1]:80/x"] {
            assert!(is_loopback(local), "{local}");
        }
        for other in ["http://127.0.0.1.example.org", "https://example.org", "http://localhost.example"] {
            assert!(!is_loopback(other), "{other}");
        }
    }

    #[test]
    fn words_of_a_server_cannot_move_the_cursor() {
        assert_eq!(visible("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }

    #[test]
    fn nobody_there_is_told_with_its_address() {
        // Port 1 on loopback: nothing listens.
        let error = Client::new("http://127.0.0.1:1/").status().unwrap_err();
        assert_eq!(error.code(), "service_unreachable");
        assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
    }
}

//! The public HTTP API, as `docs/API.md` has it: shapes of the views, nothing believed.

use super::contract::{Contract, Exchange};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use upfront::escrow::proof::ProofDocument;
use upfront::escrow::statement::{CharterId, SettlementId};
use upfront::keys::{Identity, Phrase};
use upfront::nip98::Asked;
use upfront::service::views::{SettlementPsbts, StatusView, TaskView};
use ureq::Agent;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answers, or the connection broke off.
    Down(String),
    /// The service says no.
    Refused { status: u16, code: String, message: String },
}

impl Failure {
    /// Status and code of a refusal.
    #[track_caller]
    pub fn refusal(&self) -> (u16, &str) {
        match self {
            Failure::Refused { status, code, .. } => (*status, code),
            Failure::Down(error) => panic!("not refused, but no answer: {error}"),
        }
    }
}

/// The header of a request signed now, by the identity of a phrase that everybody knows.
fn sign(url: &str, body: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let asked = Asked { url, method: "POST", body: body.as_bytes() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let nonce = format!("{:x}-{:x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    Identity::new(&Phrase::from_entropy(&[0x1d; 16])).authorize(&asked, now, &nonce)
}

pub struct Api {
    url: String,
    agent: Agent,
}

impl Api {
    pub fn new(url: &str) -> Api {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)));
        Api { url: format!("{url}/api/v1"), agent: config.build().into() }
    }

    /// The document as served, the same for every service of this build; the copy in the repository where the
    /// service is gone before it could be asked.
    fn contract(&self) -> &'static Contract {
        static CONTRACT: OnceLock<Contract> = OnceLock::new();
        CONTRACT.get_or_init(|| {
            let served = self.agent.get(format!("{}/openapi.json", self.url)).call();
            let served = served.ok().and_then(|mut answer| answer.body_mut().read_to_string().ok());
            let text = served.as_deref().unwrap_or(include_str!("../../docs/openapi.json"));
            Contract::new(serde_json::from_str(text).unwrap())
        })
    }

    /// Reads an answer, and holds it to the API's document.
    fn read<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        sent: Option<&str>,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, Failure> {
        let down = |error: ureq::Error| Failure::Down(error.to_string());
        let mut answer = answer.map_err(down)?;
        let status = answer.status();
        let limited = answer.body_mut().with_config().limit(64 << 20);
        let text = limited.read_to_string().map_err(down)?;
        self.contract().check(&Exchange {
            method,
            target: &format!("/api/v1{path}"),
            sent: sent.map(str::as_bytes),
            status: status.as_u16(),
            media_type: answer.headers().get("content-type").and_then(|value| value.to_str().ok()),
            headers: answer.headers().keys().map(|name| name.as_str().to_owned()).collect(),
            body: text.as_bytes(),
        });
        if status.is_success() {
            return Ok(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
        }
        let value: Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}, not JSON: {text}"));
        // One shape for every error (RFC 9457).
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{text}");
        let word = |key: &str| value[key].as_str().unwrap_or_else(|| panic!("no {key}: {text}")).to_owned();
        let (code, message) = (word("code"), word("detail"));
        assert_eq!(word("type"), format!("/problems/{code}"));
        assert_eq!(value["status"], status.as_u16());
        assert!(!word("hint").is_empty() && !word("title").is_empty(), "{text}");
        Err(Failure::Refused { status: status.as_u16(), code, message })
    }

    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read("GET", path, None, self.agent.get(format!("{}{path}", self.url)).call())
    }

    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.post_text(path, &serde_json::to_string(body).unwrap())
    }

    /// Sends bytes as they are, to see what becomes of what is no JSON.
    pub fn post_text<T: DeserializeOwned>(&self, path: &str, body: &str) -> Result<T, Failure> {
        let url = format!("{}{path}", self.url);
        let mut request = self.agent.post(&url).header("content-type", "application/json");
        // Two requests are made in somebody's name.
        if path == "/tasks" || path.ends_with("/settlements") {
            request = request.header("authorization", sign(&url, body));
        }
        let answer = request.send(body);
        self.read("POST", path, Some(body), answer)
    }

    pub fn status(&self) -> Result<StatusView, Failure> {
        self.get("/status")
    }

    pub fn task(&self, id: &CharterId) -> Result<TaskView, Failure> {
        self.get(&format!("/tasks/{id}"))
    }

    pub fn proof(&self, id: &CharterId) -> Result<ProofDocument, Failure> {
        self.get(&format!("/tasks/{id}/proof"))
    }

    pub fn psbts(&self, id: &CharterId, settlement: &SettlementId) -> Result<SettlementPsbts, Failure> {
        self.get(&format!("/tasks/{id}/settlements/{settlement}/psbts"))
    }
}

//! What kind of request it is: what it counts as, and how long its body may be. By method and route, known
//! before a byte of the body is read.

use super::MAX_BODY_BYTES;
use crate::escrow::charter::MAX_CHARTER_BYTES;
use axum::http::Method;

/// What a request counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Reads what is at hand.
    Read,
    /// Changes something.
    Write,
    /// Costs much work, or holds something back from others.
    Costly,
}

impl Class {
    /// Its name in headers and words.
    pub fn name(self) -> &'static str {
        match self {
            Class::Read => "reads",
            Class::Write => "writes",
            Class::Costly => "costly",
        }
    }
}

/// A body that is no text of people and no transaction.
const SMALL_BODY_BYTES: usize = 64 << 10;
/// Charter (32 KiB) and text (64 KiB) as JSON strings, each character escaped.
const DRAFT_BODY_BYTES: usize = 2 * (MAX_CHARTER_BYTES + (64 << 10)) + SMALL_BODY_BYTES;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// What it counts as.
    pub class: Class,
    /// Longest body.
    pub max_body_bytes: usize,
    /// Whether it asks for a pledge's address.
    pub issues_pledge: bool,
}

/// Whether a method only reads.
pub fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a request is made in somebody's name: its handler asks who signed it.
pub fn needs_identity(method: &Method, route: &str) -> bool {
    let path = route.strip_prefix("/api/v1").unwrap_or(route);
    let owned = path == "/tasks" || path.ends_with("/settlements") || path.starts_with("/webhooks");
    *method == Method::POST && owned
}

/// Looks a request up by its method and the pattern of its route, as `/api/v1/tasks/{charter}`.
pub fn kind(method: &Method, route: &str) -> Kind {
    let of_api = route.strip_prefix("/api/v1");
    let path = of_api.unwrap_or(route);
    // How parameters are called is the router's affair.
    let shape: Vec<&str> =
        path.split('/').skip(1).map(|part| if part.starts_with('{') { "*" } else { part }).collect();
    let (class, max_body_bytes) = match (reads(method), &shape[..]) {
        (true, ["tasks", "*", "proof"]) => (Class::Costly, SMALL_BODY_BYTES),
        // Pages that look at all tasks, or try out what could be proposed.
        (true, ["desk", _]) => (Class::Costly, SMALL_BODY_BYTES),
        (true, ["tasks", "*", "settlements"]) if of_api.is_none() => (Class::Costly, SMALL_BODY_BYTES),
        (true, _) => (Class::Read, SMALL_BODY_BYTES),
        (false, ["tasks" | "wishes"]) => (Class::Write, DRAFT_BODY_BYTES),
        // A charter is made of it, and forgotten.
        (false, ["new", "preview"]) => (Class::Costly, DRAFT_BODY_BYTES),
        (false, ["tasks", "*", "pledges" | "settlements"]) => (Class::Costly, SMALL_BODY_BYTES),
        (false, ["tasks", "*", "settlements", "*", "signatures"]) => (Class::Write, MAX_BODY_BYTES),
        (false, _) => (Class::Write, SMALL_BODY_BYTES),
    };
    let issues_pledge = *method == Method::POST && shape[..] == ["tasks", "*", "pledges"];
    Kind { class, max_body_bytes, issues_pledge }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_what_they_cost() {
        let of = |method, route| {
            let Kind { class, max_body_bytes, issues_pledge } = kind(&method, route);
            (class, max_body_bytes, issues_pledge)
        };
        let small = SMALL_BODY_BYTES;
        assert_eq!(of(Method::GET, "/api/v1/tasks/{charter}"), (Class::Read, small, false));
        assert_eq!(of(Method::GET, "/api/v1/tasks/{charter}/settlements"), (Class::Read, small, false));
        assert_eq!(of(Method::GET, "/tasks/{charter}/settlements"), (Class::Costly, small, false));
        assert_eq!(of(Method::GET, "/desk/arbiter"), (Class::Costly, small, false));
        assert_eq!(of(Method::GET, "/api/v1/tasks/{id}/proof"), (Class::Costly, small, false));
        assert_eq!(of(Method::POST, "/api/v1/tasks/{charter}/pledges"), (Class::Costly, small, true));
        assert_eq!(of(Method::GET, "/api/v1/tasks/{charter}/pledges"), (Class::Read, small, false));
        assert_eq!(of(Method::POST, "/api/v1/tasks/{charter}/settlements"), (Class::Costly, small, false));
        let sign = "/api/v1/tasks/{charter}/settlements/{settlement}/signatures";
        assert_eq!(of(Method::POST, sign), (Class::Write, MAX_BODY_BYTES, false));
        assert_eq!(of(Method::POST, "/api/v1/tasks"), (Class::Write, 262_144, false));
        assert_eq!(of(Method::POST, "/api/v1/tasks/{charter}/votes"), (Class::Write, small, false));
        assert_eq!(of(Method::POST, "/api/v1/wishes"), (Class::Write, 262_144, false));
        assert_eq!(of(Method::POST, "/api/v1/wishes/{wish}/words"), (Class::Write, small, false));
        assert_eq!(of(Method::POST, "/new/preview"), (Class::Costly, 262_144, false));
        assert_eq!(of(Method::POST, "/faucet/mine"), (Class::Write, small, false));
        assert_eq!(of(Method::DELETE, ""), (Class::Write, small, false));
    }
}

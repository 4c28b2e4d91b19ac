//! Pages that explain: how it works, what can go wrong, how money is recovered; and the two files that work offline.

use super::super::{ApiError, App};
use super::{Asked, Site, show as respond};
use crate::escrow::statement::Digest;
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::LazyLock;

/// A file that is kept and opened from a disk. It is no asset: it must not run on the site that serves it.
struct Offline {
    name: &'static str,
    what: &'static str,
    bytes: &'static [u8],
    /// Hashed when somebody first asks.
    sha256: LazyLock<String>,
}

static RECOVER: Offline = Offline {
    name: "recover.html",
    what: "For sponsors: makes the refund from your recovery file or your words.",
    bytes: include_bytes!("../static/recover.html"),
    sha256: LazyLock::new(|| Digest::of(RECOVER.bytes).to_string()),
};

static SIGN: Offline = Offline {
    name: "sign.html",
    what: "For signers: reviews and signs a charter, a ruling or a payout.",
    bytes: include_bytes!("../static/sign.html"),
    sha256: LazyLock::new(|| Digest::of(SIGN.bytes).to_string()),
};

/// Names, bytes and SHA-256 of the offline files.
pub fn offline_files() -> impl Iterator<Item = (&'static str, &'static [u8], String)> {
    [&RECOVER, &SIGN].into_iter().map(|file| (file.name, file.bytes, file.sha256.clone()))
}

/// A page without anything that changes.
macro_rules! plain {
    ($name:ident, $path:literal, $handler:ident) => {
        #[derive(Template, Serialize)]
        #[template(path = $path)]
        struct $name {
            #[serde(skip)]
            site: Site,
            /// What the page is, for programs: the words are for people.
            about: &'static str,
        }

        pub(super) async fn $handler(State(app): State<App>, asked: Asked) -> Result<Response, ApiError> {
            respond(asked, &$name { site: Site::new(&app), about: stringify!($handler) })
        }
    };
}

plain!(HowItWorks, "how_it_works.html", how_it_works);
plain!(Risks, "risks.html", risks);

/// A file to keep.
#[derive(Serialize)]
struct File {
    name: &'static str,
    what: &'static str,
    bytes: usize,
    sha256: String,
}

#[derive(Template, Serialize)]
#[template(path = "recover.html")]
struct Recover {
    #[serde(skip)]
    site: Site,
    /// With the hashes that the release publishes.
    files: [File; 2],
}

pub(super) async fn recover(State(app): State<App>, asked: Asked) -> Result<Response, ApiError> {
    let file = |offline: &Offline| File {
        name: offline.name,
        what: offline.what,
        bytes: offline.bytes.len(),
        sha256: offline.sha256.clone(),
    };
    respond(asked, &Recover { site: Site::new(&app), files: [&RECOVER, &SIGN].map(file) })
}

/// A file as a download: it is to be opened from a disk, never here.
fn download(offline: &'static Offline) -> Result<Response, ApiError> {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", offline.name));
    let disposition = disposition.map_err(|_| ApiError::internal())?;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, offline.bytes).into_response())
}

pub(super) async fn recover_file() -> Result<Response, ApiError> {
    download(&RECOVER)
}

pub(super) async fn sign_file() -> Result<Response, ApiError> {
    download(&SIGN)
}

//! Pages that explain: how it works, what can go wrong, how money is recovered; and the two files that work offline.

use super::super::assets::{self, Asset};
use super::super::{ApiError, App};
use super::{Asked, Site, show as respond};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Files that are kept and opened from a disk, without any server: name, what for.
const FILES: [(&str, &str); 2] = [
    ("recover.html", "For sponsors: makes the refund from your recovery file or your words."),
    ("sign.html", "For signers: reviews and signs a charter, a ruling or a payout."),
];

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
    /// Those that this program has.
    files: Vec<File>,
}

fn found(name: &str) -> Option<&'static Asset> {
    assets::all().find(|asset| asset.name == name)
}

pub(super) async fn recover(State(app): State<App>, asked: Asked) -> Result<Response, ApiError> {
    let file = |(name, what): (&'static str, &'static str)| {
        let asset = found(name)?;
        Some(File { name, what, bytes: asset.bytes.len(), sha256: asset.sha256.clone() })
    };
    let files = FILES.into_iter().filter_map(file).collect();
    respond(asked, &Recover { site: Site::new(&app), files })
}

/// A file as a download: it is to be opened from a disk, never here.
fn download(name: &'static str) -> Result<Response, ApiError> {
    let asset = found(name).ok_or(ApiError::missing("file in this version"))?;
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let disposition = disposition.map_err(|_| ApiError::internal())?;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)], asset.bytes)
        .into_response())
}

pub(super) async fn recover_file() -> Result<Response, ApiError> {
    download("recover.html")
}

pub(super) async fn sign_file() -> Result<Response, ApiError> {
    download("sign.html")
}

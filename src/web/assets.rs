//! What pages load: one stylesheet, the mark, the browser's own part. Embedded in the program, served under a path
//! that names the bytes, so that a browser may keep them for ever; named in pages with their hash (SRI).

use super::pages::respond::media;
use super::{ApiError, App};
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bitcoin::base64::Engine;
use bitcoin::base64::prelude::BASE64_STANDARD;
use bitcoin::hashes::{Hash, sha256, sha384};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// May be kept: another version has another path.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A file of the program.
pub struct Asset {
    /// Its name, with an ending.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    /// Where it is served.
    pub path: String,
    /// Its hash as pages name it: `sha384-` and base64 (Subresource Integrity).
    pub integrity: String,
    /// SHA-256, hex: what a release publishes.
    pub sha256: String,
}

macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_bytes!(concat!("static/", $name)).as_slice()),)+]
    };
}

/// Every file.
static ASSETS: LazyLock<BTreeMap<&'static str, Asset>> = LazyLock::new(|| {
    let files = embedded![
        "app.css",
        "attest.js",
        "checkout.js",
        "desk.js",
        "handin.js",
        "live.js",
        "mark.svg",
        "new.js",
        "pledge.js",
        "settlement.js",
        "settlements.js",
        "vote.js",
        "wallet.js",
    ];
    files.into_iter().map(|(name, bytes)| (name, Asset::new(name, bytes))).collect()
});

impl Asset {
    fn new(name: &'static str, bytes: &'static [u8]) -> Asset {
        let sha256 = sha256::Hash::hash(bytes).to_string();
        Asset {
            name,
            bytes,
            path: format!("/static/{}/{name}", &sha256[..16]),
            integrity: format!("sha384-{}", BASE64_STANDARD.encode(sha384::Hash::hash(bytes))),
            sha256,
        }
    }

    fn respond(&self) -> Response {
        ([(header::CONTENT_TYPE, HeaderValue::from_static(media(self.name)))], self.bytes).into_response()
    }
}

/// The file of that name, which the program has.
///
/// # Panics
/// If it is none of the embedded ones: a defect that the first test of the page finds.
pub fn asset(name: &str) -> &'static Asset {
    ASSETS.get(name).unwrap_or_else(|| panic!("{name} is embedded"))
}

/// All files, by name.
pub fn all() -> impl Iterator<Item = &'static Asset> {
    ASSETS.values()
}

/// `/static/{hash}/{name}`.
pub fn router() -> Router<App> {
    Router::new().route("/static/{hash}/{name}", get(show))
}

async fn show(path: super::body::Params<(String, String)>) -> Result<Response, ApiError> {
    let (hash, name) = path.0;
    let asset = ASSETS.get(name.as_str()).ok_or(ApiError::missing("file"))?;
    let mut response = asset.respond();
    // An older page asks for an older version: it is told the present one, and does not keep it under that name.
    if asset.sha256.starts_with(&hash) {
        response.headers_mut().insert(header::CACHE_CONTROL, FOR_EVER);
    }
    Ok(response)
}

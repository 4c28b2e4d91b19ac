//! What pages load: one stylesheet, the mark, the browser's own part. Embedded in the program, served under a path
//! that names the bytes, so that a browser may keep them for ever; named in pages with their hash (SRI). They are
//! public and the same for everybody, so they alone are compressed: nothing that is said in private has its length told.

use super::pages::respond::media;
use super::{ApiError, App};
use axum::Router;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bitcoin::base64::Engine;
use bitcoin::base64::prelude::BASE64_STANDARD;
use bitcoin::hashes::{Hash, sha256, sha384};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::Write;
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
    /// The same bytes for browsers that take gzip; nothing where that saves nothing.
    gzipped: Option<Vec<u8>>,
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
        "licences.txt",
        "live.js",
        "mark.svg",
        "move.js",
        "new.js",
        "pledge.js",
        "project.js",
        "say.js",
        "settlement.js",
        "settlements.js",
        "vote.js",
        "wallet.js",
        "wish.js",
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
            gzipped: gzip(bytes),
        }
    }

    fn respond(&'static self, asked: &HeaderMap) -> Response {
        let kind = [
            (header::CONTENT_TYPE, HeaderValue::from_static(media(self.name))),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
        ];
        match &self.gzipped {
            Some(gzipped) if takes_gzip(asked) => {
                (kind, [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))], gzipped.as_slice())
                    .into_response()
            }
            _ => (kind, self.bytes).into_response(),
        }
    }
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().filter(|gzipped| gzipped.len() < bytes.len())
}

/// Whether whoever asks takes gzip (RFC 9110, 12.5.3): named, and not with a weight of nothing.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|choice| {
        let mut parts = choice.split(';').map(str::trim);
        let named = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        named && !weight.is_some_and(|weight| weight.trim_end_matches(['0', '.']).is_empty())
    })
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

async fn show(path: super::body::Params<(String, String)>, asked: HeaderMap) -> Result<Response, ApiError> {
    let (hash, name) = path.0;
    let asset = ASSETS.get(name.as_str()).ok_or(ApiError::missing("file"))?;
    let mut response = asset.respond(&asked);
    // An older page asks for an older version: it is told the present one, and does not keep it under that name.
    if asset.sha256.starts_with(&hash) {
        response.headers_mut().insert(header::CACHE_CONTROL, FOR_EVER);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (asked, takes) in [
            ("gzip, deflate", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=1.0", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("deflate, br", false),
            ("x-gzip", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(asked))]);
            assert_eq!(takes_gzip(&headers), takes, "{asked}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn what_is_compressed_is_the_same() {
        for asset in all() {
            let Some(gzipped) = &asset.gzipped else { continue };
            assert!(gzipped.len() < asset.bytes.len());
            let mut bytes = Vec::new();
            GzDecoder::new(gzipped.as_slice()).read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, asset.bytes, "{}", asset.name);
        }
        assert!(asset("checkout.js").gzipped.as_ref().unwrap().len() <= 75_000);
    }
}

//! A settlement's PSBTs to take away: files, base64, and rows of QR codes. They follow from the settlement's id
//! and never change.

use super::super::super::body::Params;
use super::super::super::{ApiError, App, bbqr};
use crate::escrow::statement::{CharterId, SettlementId};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bitcoin::Psbt;

/// The id says what the bytes are.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

type Named = Params<(CharterId, SettlementId, String)>;

fn missing() -> ApiError {
    ApiError::missing("file of a settlement")
}

fn psbt(
    app: &App,
    charter: &CharterId,
    settlement: &SettlementId,
    chunk: u32,
    form: u32,
) -> Result<Psbt, ApiError> {
    let psbt = app.service.read_task(charter, |task, _| {
        task.settlements().get(settlement).and_then(|state| state.plan.psbt(chunk, form))
    })?;
    psbt.ok_or_else(missing)
}

/// Numbers as they stand in file names: `0-2`, and nothing that is written otherwise.
fn numbers<const N: usize>(name: &str) -> Option<[u32; N]> {
    let numbers: Vec<u32> = name.split('-').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let written: Vec<String> = numbers.iter().map(u32::to_string).collect();
    if written.join("-") != name {
        return None;
    }
    numbers.try_into().ok()
}

fn answer(media_type: &'static str, name: Option<String>, body: Vec<u8>) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, FOR_EVER);
    if let Some(name) = name
        && let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
    {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// How a file is called that a signer takes away: which settlement, which transaction, which feerate.
pub fn file_name(settlement: &SettlementId, chunk: u32, form: u32) -> String {
    let id = settlement.to_string();
    format!("{}-{chunk}-{form}.psbt", id.get(..8).unwrap_or_default())
}

/// `0-2.psbt`, binary (BIP174); `0-2.txt`, base64; `all.txt`, all of them in base64, one a line.
pub async fn psbts(
    State(app): State<App>,
    Params((charter, settlement, file)): Named,
) -> Result<Response, ApiError> {
    if file == "all.txt" {
        let psbts = app.service.psbts(&charter, &settlement)?.psbts;
        let text: String = psbts.into_iter().map(|view| view.psbt + "\n").collect();
        return Ok(answer("text/plain; charset=utf-8", None, text.into_bytes()));
    }
    let (name, binary) = match (file.strip_suffix(".psbt"), file.strip_suffix(".txt")) {
        (Some(name), _) => (name, true),
        (_, Some(name)) => (name, false),
        _ => return Err(missing()),
    };
    let [chunk, form] = numbers(name).ok_or_else(missing)?;
    let psbt = psbt(&app, &charter, &settlement, chunk, form)?;
    Ok(if binary {
        let name = file_name(&settlement, chunk, form);
        answer("application/octet-stream", Some(name), psbt.serialize())
    } else {
        answer("text/plain; charset=utf-8", None, format!("{psbt}\n").into_bytes())
    })
}

/// `0-2-5.svg`: code 5 of the row that is transaction 0 at its third feerate.
pub async fn frame(
    State(app): State<App>,
    Params((charter, settlement, file)): Named,
) -> Result<Response, ApiError> {
    let name = file.strip_suffix(".svg").ok_or_else(missing)?;
    let [chunk, form, number] = numbers(name).ok_or_else(missing)?;
    let psbt = psbt(&app, &charter, &settlement, chunk, form)?;
    // Packing a PSBT is no work for the thread that answers others.
    let drawn = tokio::task::spawn_blocking(move || {
        let frames = bbqr::frames(&psbt).unwrap_or_default();
        let frame = usize::try_from(number).ok().and_then(|number| frames.get(number)).ok_or_else(missing)?;
        bbqr::picture(frame).ok_or_else(ApiError::internal)
    });
    let picture = drawn.await.map_err(|_| ApiError::internal())??;
    Ok(answer("image/svg+xml", None, picture.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_a_file() {
        assert_eq!(numbers("0-2"), Some([0, 2]));
        assert_eq!(numbers("10-0-31"), Some([10, 0, 31]));
        for bad in ["", "0", "0-1-2", "00-1", "+0-1", "0--1", "0-4294967296", "a-b"] {
            assert_eq!(numbers::<2>(bad), None, "{bad}");
        }
    }
}

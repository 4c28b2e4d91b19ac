//! The OpenAPI 3.1 document: put together from the routes' own descriptions, and from what holds for all of them.
//! The routes and the document come from one router, so that neither can be without the other.

mod refusals;
#[cfg(test)]
pub(super) use refusals::named as refusals_named;

use super::{App, Problem};
use axum::http::header;
use axum::response::IntoResponse;
use axum::{Extension, Router};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where the API lies.
pub const BASE: &str = "/api/v1";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Upfront",
        description = "Bitcoin-native escrow for paying for open-source work before it is written. Amounts are whole \
            satoshis in fields that end in `_sat`, times Unix seconds of the chain's median time past (BIP113), shares \
            basis points. Every request may be repeated: what was done already is done, and the answer is the same.",
        license(name = "MIT", identifier = "MIT"),
    ),
    components(schemas(Problem)),
    tags(
        (name = "service", description = "The service and its chain."),
        (name = "tasks", description = "Charters, their attestations, and proofs."),
        (name = "pledges", description = "Addresses, what arrived, refunds signed in advance."),
        (name = "votes", description = "Submissions, votes, acceptances, rulings."),
        (name = "events", description = "What happens, as it happens: streams, pages and feeds; projects."),
        (name = "settlements", description = "The co-signed spends: proposed, signed, followed."),
    ),
)]
struct Base;

/// The document as served.
#[derive(Clone)]
struct Text(Arc<str>);

/// Every route, and the document that describes them.
pub fn build(api: OpenApiRouter<App>) -> (Router<App>, Value) {
    let api = api.routes(routes!(show));
    let (routes, document) = OpenApiRouter::with_openapi(Base::openapi()).nest(BASE, api).split_for_parts();
    let mut document = serde_json::to_value(&document).expect("a document is JSON");
    hoist_descriptions(&mut document);
    tell_refusals(&mut document);
    let text = serde_json::to_string_pretty(&document).expect("a document is JSON") + "\n";
    (routes.layer(Extension(Text(text.into()))), document)
}

/// Read this document
///
/// The description of the API, OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "getOpenApi", tag = "service",
    responses((status = 200, description = "The document.", body = Object))
)]
async fn show(Extension(Text(text)): Extension<Text>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], text.to_string())
}

/// Puts what is said of a field that may be `null` where readers look for it: on the field, not on one of its shapes.
fn hoist_descriptions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let nullable =
                |shapes: &Value| shapes.as_array().is_some_and(|s| s.contains(&json!({ "type": "null" })));
            if fields.get("oneOf").is_some_and(nullable) {
                let shapes = fields.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten();
                let said = shapes.filter_map(|shape| shape.as_object_mut()?.remove("description")).next();
                fields.extend(said.map(|said| ("description".to_owned(), said)));
            }
            fields.values_mut().for_each(hoist_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(hoist_descriptions),
        _ => {}
    }
}

/// Adds every error response: what may be refused is kept in one place, `openapi/refusals.rs`.
fn tell_refusals(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
            let refusals = refusals::responses(&refusals::of(id, method, path));
            let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
            responses.expect("every operation has responses").extend(refusals);
        }
    }
}

//! The OpenAPI 3.1 document: put together from the routes' own descriptions, and from what holds for all of them.
//! The routes and the document come from one router, so that neither can be without the other.

mod headers;
mod refusals;
mod writes;
#[cfg(test)]
pub(super) use refusals::named as refusals_named;

use super::{App, Problem};
use crate::escrow::public::FIELDS;
use crate::service::views::TaskSort;
use axum::http::header;
use axum::response::IntoResponse;
use axum::{Extension, Router};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use writes::tell_writes;

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
    components(schemas(Problem, TaskSort)),
    tags(
        (name = "service", description = "The service and its chain."),
        (name = "tasks", description = "Charters, their attestations, and proofs."),
        (name = "pledges", description = "Addresses, what arrived, refunds signed in advance."),
        (name = "votes", description = "Submissions, votes, acceptances, rulings."),
        (name = "wishes", description = "What people would like to see done, before there is a charter; and what leaders say of projects."),
        (name = "events", description = "What happens, as it happens: streams, pages and feeds; projects."),
        (name = "webhooks", description = "Public events, posted to an address of yours."),
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
    close_variants(&mut document);
    tell_events(&mut document);
    tell_refusals(&mut document);
    tell_conditions(&mut document);
    tell_writes(&mut document);
    headers::tell_headers(&mut document);
    headers::tell_webhooks(&mut document);
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

/// Every answer to a GET has a tag, and may be asked for with one (`etag.rs`).
fn tell_conditions(document: &mut Value) {
    let tag = json!({
        "description": "Changes with whatever changes the answer (RFC 9110).",
        "schema": { "type": "string", "pattern": "^\"[0-9a-f]{32}\"$" },
    });
    let kept = json!({
        "description": "Whether the answer may be used again without asking.",
        "schema": { "type": "string" },
    });
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    // Feeds have a tag of their own making.
    let feed = json!({
        "description": "The newest event and how many there are.",
        "schema": { "type": "string", "pattern": "^\"[0-9]+-[0-9]+-[0-9]+\"$" },
    });
    for get in paths.into_iter().flatten().filter_map(|(_, item)| item.get_mut("get")) {
        let is_feed = get.pointer("/responses/200/content/application~1atom+xml").is_some();
        let tag = if is_feed { &feed } else { &tag };
        let Some(answer) = get.pointer_mut("/responses/200") else { continue };
        let headers = answer["headers"].take();
        let mut headers = headers.as_object().cloned().unwrap_or_default();
        headers.insert("ETag".into(), tag.clone());
        headers.insert("Cache-Control".into(), kept.clone());
        answer["headers"] = Value::Object(headers);
        get["responses"]["304"] = json!({
            "description": "The reader has it already: nothing has changed.",
            "headers": { "ETag": tag, "Cache-Control": kept },
        });
        let asked = json!({
            "name": "If-None-Match", "in": "header", "required": false,
            "description": "Tags that the reader has, as `ETag` told them: 304 if one still holds.",
            "schema": { "type": "string" },
        });
        headers::add_parameter(get, asked);
    }
}

/// `deny_unknown_fields` of a tagged enum holds for each of its variants; the derived schema does not say so.
fn close_variants(document: &mut Value) {
    let variants =
        document.pointer_mut("/components/schemas/NewSettlement/oneOf").and_then(Value::as_array_mut);
    for variant in variants.expect("a settlement is proposed for one of several things") {
        variant["additionalProperties"] = json!(false);
    }
}

/// What the `data` of an event always has, by its type.
fn tell_events(document: &mut Value) {
    let shape = |(kind, fields): &(&str, &[&str])| {
        json!({
            "if": { "properties": { "type": { "const": kind } } },
            "then": { "properties": { "data": { "required": fields } } },
        })
    };
    let event = document.pointer_mut("/components/schemas/PublicEvent").expect("events are told");
    event["allOf"] = FIELDS.iter().map(shape).collect();
}

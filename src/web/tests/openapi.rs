//! The OpenAPI document against its standard, against the router, and against the copy that reviewers see.

use super::fakes::World;
use crate::escrow::public::{EventId, KINDS};
use crate::service::events::Topic;
use crate::web::{CODES, api, openapi, router};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use tower::ServiceExt;

const METHODS: [Method; 6] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

fn document() -> Value {
    openapi::build(api::router()).1
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Where every reference below `value` leads.
fn each_ref<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                found.push(target);
            }
            fields.values().for_each(|field| each_ref(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| each_ref(item, found)),
        _ => {}
    }
}

#[test]
fn the_document_is_valid_openapi_3_1() {
    let document = document();
    let text = include_str!("../../../tests/data/openapi-3.1-schema.json");
    let standard = jsonschema::draft202012::new(&serde_json::from_str(text).unwrap()).unwrap();
    let errors: Vec<String> =
        standard.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    // The standard leaves the schemas to JSON Schema.
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if let Err(error) = jsonschema::draft202012::meta::validate(schema) {
            panic!("{name}: {error}");
        }
    }
    let mut refs = Vec::new();
    each_ref(&document, &mut refs);
    for target in refs {
        let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} leads elsewhere"));
        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
    }
}

#[test]
fn everything_is_described() {
    let document = document();
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let told = |field: &str| operation[field].as_str().is_some_and(|text| !text.is_empty());
        assert!(told("summary") && told("description"), "{method} {path} is not described");
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "two operations are called {id}");
        assert!(
            operation["tags"].as_array().unwrap().iter().all(|tag| tags.contains(tag.as_str().unwrap())),
            "{id}"
        );
        for parameter in operation["parameters"].as_array().unwrap_or(&Vec::new()) {
            assert!(parameter["description"].is_string(), "{id}: {parameter}");
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name} is not described");
        let none = serde_json::Map::new();
        for (field, schema) in schema["properties"].as_object().unwrap_or(&none) {
            let told = schema["description"].is_string() || schema["$ref"].is_string();
            assert!(told, "{name}.{field} is not described");
        }
    }
}

/// Who must sign, where a stream goes on, what a receiver of webhooks gets.
#[test]
fn what_holds_for_many_operations_is_told_of_each() {
    let document = document();
    let named = |operation: &Value, name: &str| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
    };
    let headers = |response: &Value, name: &str| {
        let header = &response["headers"][name];
        let shared = header["$ref"].as_str().and_then(|to| document.pointer(to.strip_prefix('#')?));
        shared.unwrap_or(header)["description"].is_string()
    };
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        let responses = operation["responses"].as_object().unwrap();
        let codes: Vec<&str> = responses["401"]["content"]["application/problem+json"]["schema"]["allOf"][1]
            ["properties"]["code"]["enum"]
            .as_array()
            .unwrap()
            .iter()
            .map(|code| code.as_str().unwrap())
            .collect();
        let must_sign = operation["security"] == serde_json::json!([{ "nip98": [] }]);
        assert_eq!(must_sign, codes.contains(&"auth_required"), "{id}");
        assert_eq!(must_sign && method == "get", path.starts_with("/api/v1/webhooks") && method == "get");
        let streams = responses.get("200").is_some_and(|r| r["content"]["text/event-stream"].is_object());
        assert_eq!(named(operation, "Last-Event-ID"), streams, "{id}");
        assert_eq!(named(operation, "If-None-Match"), method == "get", "{id}");
        assert_eq!(named(operation, "Idempotency-Key"), method == "post", "{id}");
        for (status, response) in responses {
            assert!(headers(response, "RateLimit") && headers(response, "RateLimit-Policy"), "{id} {status}");
            assert_eq!(headers(response, "WWW-Authenticate"), status == "401", "{id} {status}");
            assert_eq!(headers(response, "Idempotent-Replayed"), method == "post", "{id} {status}");
            let tagged = method == "get" && matches!(status.as_str(), "200" | "304");
            assert_eq!(headers(response, "ETag"), tagged, "{id} {status}");
        }
    }
}

/// What reviewers see of a change of the API.
#[test]
fn docs_openapi_json_is_what_is_served() {
    let served = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if std::env::var_os("UPFRONT_RENEW").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == served,
        "docs/openapi.json differs from what is served: UPFRONT_RENEW=1 cargo test --lib web::tests::openapi, then \
         look at the difference before you commit it"
    );
}

/// A path of the document with something in place of its parameters.
fn filled(path: &str) -> String {
    let digits = "0".repeat(64);
    path.replace("{charter}", &digits)
        .replace("{submission}", &digits)
        .replace("{settlement}", &digits)
        .replace("{project}", &"0".repeat(32))
        .replace("{fingerprint}", "00000000")
        .replace("{index}", "1")
}

/// Every path that the router itself knows, as its `Debug` tells.
fn routes_of(router: &axum::Router) -> BTreeSet<String> {
    let told = format!("{router:?}");
    let paths = told.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/'));
    paths.map(str::to_owned).collect()
}

#[tokio::test]
async fn router_and_document_agree() {
    let world = World::new(None, |_| {}).await;
    let app = || router(world.app());
    let document = document();
    let paths = document["paths"].as_object().unwrap();

    let known = routes_of(&app());
    assert!(known.len() > 15, "the router does not tell its routes any more: {known:?}");
    let undocumented: Vec<_> =
        known.iter().filter(|path| path.starts_with(openapi::BASE) && !paths.contains_key(*path)).collect();
    assert!(undocumented.is_empty(), "routes that the document does not have: {undocumented:?}");

    for (path, item) in paths {
        assert!(known.contains(path), "{path} is in the document and not in the router");
        for method in &METHODS {
            let request = Request::builder().method(method).uri(filled(path)).body(Body::empty()).unwrap();
            let response = app().oneshot(request).await.unwrap();
            let documented = item.get(method.as_str().to_lowercase()).is_some();
            let refused = response.status() == StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(refused, !documented, "{method} {path}: {}", response.status());
            if refused {
                let allowed = response.headers()[header::ALLOW].to_str().unwrap().to_owned();
                let allowed: BTreeSet<String> =
                    allowed.split(',').map(str::to_lowercase).filter(|m| m != "head").collect();
                let told: BTreeSet<String> = item.as_object().unwrap().keys().cloned().collect();
                assert_eq!(allowed, told, "{path}");
            }
        }
    }
}

/// Every code of the table can come from somewhere in the document.
#[test]
fn codes_and_document_agree() {
    let known: BTreeSet<&str> = CODES.iter().map(|entry| entry.code).collect();
    // A method that is not there belongs to no operation, and the faucet of regtest is not part of the API.
    let elsewhere = ["method_not_allowed", "faucet_failed"];
    let expected: BTreeSet<&str> = known.iter().copied().filter(|code| !elsewhere.contains(code)).collect();
    let told = openapi::refusals_named();
    let never: Vec<_> = expected.difference(&told).collect();
    assert!(never.is_empty(), "no operation of openapi/refusals.rs answers with {never:?}");
}

/// Events that really were told are as the document says; without any one part of their `data` they are not.
#[tokio::test]
async fn events_are_as_the_document_has_them() {
    let document = document();
    let mut schema = json!({ "$ref": "#/components/schemas/PublicEvent" });
    schema["components"] = document["components"].clone();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 300_000).await;
    let told = world.service.events().page(&Topic::All, EventId::default(), usize::MAX).unwrap().items;
    assert!(told.len() > 5);
    for event in told {
        let event = serde_json::to_value(&*event).unwrap();
        assert!(schema.is_valid(&event), "{event}");
        for key in event["data"].as_object().unwrap().keys() {
            let mut cut = event.clone();
            cut["data"].as_object_mut().unwrap().remove(key);
            assert!(!schema.is_valid(&cut), "{cut} without {key}");
        }
        let mut unknown = event.clone();
        unknown["type"] = json!("no_such_thing");
        assert!(!schema.is_valid(&unknown));
    }
}

#[test]
fn the_guide_names_every_type_of_event() {
    let guide = include_str!("../../../docs/API.md");
    let rows: Vec<&str> = guide.lines().filter(|line| line.starts_with("| `")).collect();
    let unnamed: Vec<_> =
        KINDS.iter().filter(|kind| !rows.iter().any(|row| row.contains(&format!("`{kind}`")))).collect();
    assert!(unnamed.is_empty(), "docs/API.md does not have {unnamed:?}");
}

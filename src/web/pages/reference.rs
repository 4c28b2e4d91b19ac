//! The API's reference: our own OpenAPI document as a page. Nothing is loaded from elsewhere, and no script runs.

mod shapes;

use super::super::{ApiError, App, api, openapi};
use super::{Asked, Site, show as respond};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use shapes::{Field, Shape, Text, anchor, fields, in_words, sample};
use std::sync::LazyLock;

/// The document's content as the page shows it; it is the same as long as the program runs.
static REFERENCE: LazyLock<Reference> = LazyLock::new(|| Reference::of(&openapi::build(api::router()).1));

/// One parameter.
#[derive(Clone, Debug, Serialize)]
struct Parameter {
    name: String,
    /// `path`, `query` or `header`.
    place: String,
    required: bool,
    shape: Shape,
    about: Text,
}

/// An answer that is no error.
#[derive(Clone, Debug, Serialize)]
struct Answer {
    status: String,
    about: Text,
    shape: Option<Shape>,
}

/// An error's code.
#[derive(Clone, Debug, Serialize)]
struct Refusal {
    status: String,
    code: String,
}

/// One request.
#[derive(Clone, Debug, Serialize)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: Text,
    /// Whether an identity signs it.
    signed: bool,
    parameters: Vec<Parameter>,
    body: Option<Shape>,
    answers: Vec<Answer>,
    refusals: Vec<Refusal>,
    /// A command that asks so, but for the server's address.
    curl: String,
}

/// The requests of one group.
#[derive(Clone, Debug, Serialize)]
struct Group {
    name: String,
    about: Text,
    operations: Vec<Operation>,
}

/// A schema.
#[derive(Clone, Debug, Serialize)]
struct Schema {
    name: String,
    anchor: String,
    about: Text,
    shape: Shape,
    fields: Vec<Field>,
}

/// All of it.
#[derive(Clone, Debug, Default, Serialize)]
struct Reference {
    about: Text,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
}

#[derive(Template, Serialize)]
#[template(path = "reference.html")]
struct ReferencePage {
    #[serde(skip)]
    site: Site,
    #[serde(flatten)]
    reference: &'static Reference,
}

pub(super) async fn show(State(app): State<App>, asked: Asked) -> Result<Response, ApiError> {
    respond(asked, &ReferencePage { site: Site::new(&app), reference: &REFERENCE })
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn entries<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

impl Reference {
    fn of(document: &Value) -> Reference {
        let operations: Vec<(String, Operation)> = entries(document, "/paths")
            .flat_map(|(path, item)| {
                item.as_object()
                    .into_iter()
                    .flatten()
                    .map(move |(method, operation)| (path, method, operation))
            })
            .map(|(path, method, operation)| {
                let tag = list(operation, "tags").next().and_then(Value::as_str).unwrap_or_default();
                (tag.to_owned(), Operation::of(document, path, method, operation))
            })
            .collect();
        let groups = list(document, "tags").map(|tag| {
            let name = text(tag, "name");
            let mut of_it: Vec<Operation> = operations
                .iter()
                .filter(|(of, _)| *of == name)
                .map(|(_, operation)| operation.clone())
                .collect();
            // As they lie below each other, reads before writes.
            of_it.sort_by(|a, b| (&a.path, a.method != "GET").cmp(&(&b.path, b.method != "GET")));
            Group { about: Text::of(&text(tag, "description")), operations: of_it, name }
        });
        let schemas = entries(document, "/components/schemas").map(|(name, schema)| Schema {
            name: name.clone(),
            anchor: anchor(name),
            about: Text::of(&text(schema, "description")),
            shape: in_words(schema),
            fields: fields(schema),
        });
        Reference {
            about: Text::of(
                document.pointer("/info/description").and_then(Value::as_str).unwrap_or_default(),
            ),
            groups: groups.collect(),
            schemas: schemas.collect(),
        }
    }
}

impl Operation {
    fn of(document: &Value, path: &str, method: &str, operation: &Value) -> Operation {
        let method = method.to_uppercase();
        let body = operation.pointer("/requestBody/content/application~1json/schema");
        let signed = list(operation, "security")
            .all(|way| way.as_object().is_some_and(|way| !way.is_empty()))
            && operation.get("security").is_some();
        let parameters = list(operation, "parameters").map(|parameter| Parameter {
            name: text(parameter, "name"),
            place: text(parameter, "in"),
            required: parameter.get("required").and_then(Value::as_bool).unwrap_or(false),
            shape: parameter.get("schema").map(in_words).unwrap_or_default(),
            about: Text::of(&text(parameter, "description")),
        });
        let (mut answers, mut refusals) = (Vec::new(), Vec::new());
        for (status, response) in entries(operation, "/responses") {
            if status.starts_with('4') || status.starts_with('5') {
                let codes = response
                    .pointer("/content/application~1problem+json/schema/allOf/1/properties/code/enum")
                    .and_then(Value::as_array);
                let codes = codes.into_iter().flatten().filter_map(Value::as_str);
                refusals.extend(codes.map(|code| Refusal { status: status.clone(), code: code.to_owned() }));
                continue;
            }
            let content = response.get("content").and_then(Value::as_object);
            let schema = content.and_then(|content| content.values().next()?.get("schema"));
            answers.push(Answer {
                status: status.clone(),
                about: Text::of(&text(response, "description")),
                shape: schema.map(in_words),
            });
        }
        Operation {
            id: text(operation, "operationId"),
            summary: text(operation, "summary"),
            about: Text::of(&text(operation, "description")),
            signed,
            parameters: parameters.collect(),
            body: body.map(in_words),
            answers,
            refusals,
            curl: curl(document, path, &method, body, signed),
            path: path.to_owned(),
            method,
        }
    }
}

/// The arguments of curl, after the server's address stands before the path.
fn curl(document: &Value, path: &str, method: &str, body: Option<&Value>, signed: bool) -> String {
    let mut parts =
        path.split('/').map(|part| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(name) => format!("${}", name.to_uppercase()),
            None => part.to_owned(),
        });
    let mut path = parts.next().unwrap_or_default();
    for part in parts {
        path = format!("{path}/{part}");
    }
    let mut words = format!("\"$SERVER{path}\"");
    if method != "GET" {
        words = format!("-X {method} {words}");
    }
    if signed {
        words.push_str(" \\\n  -H \"Authorization: Nostr $EVENT_BASE64\"");
    }
    if let Some(body) = body {
        words.push_str(&format!(" \\\n  -d '{}'", sample(document, body, 0)));
    }
    words
}

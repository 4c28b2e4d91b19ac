//! The API's document as a contract: every answer that a test sees is held to it, success or error. A status, a
//! media type, a field or a code that the document does not have fails the test, and so does a body that was accepted
//! though the document forbids it.
//!
//! The document lets readers expect new fields; here unknown ones are refused, or nobody would notice that one is
//! missing from the document.

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub struct Contract {
    document: Value,
    /// By pointer of the schema.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// One request with its answer.
pub struct Exchange<'a> {
    pub method: &'a str,
    /// Path and query, as sent.
    pub target: &'a str,
    pub sent: Option<&'a [u8]>,
    pub status: u16,
    pub media_type: Option<&'a str>,
    /// Names of the answer's headers, in lower case.
    pub headers: Vec<String>,
    pub body: &'a [u8],
}

/// Headers that clients act by. What else there is holds for all answers, or for the connection.
const TELLING: [&str; 8] = [
    "etag",
    "link",
    "location",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "www-authenticate",
    "idempotent-replayed",
];

impl Contract {
    pub fn new(mut document: Value) -> Contract {
        close(&mut document);
        Contract { document, validators: Mutex::new(HashMap::new()) }
    }

    /// Fails unless the document says that this may happen. The operation's id, if it was a success of one.
    #[track_caller]
    pub fn check(&self, exchange: &Exchange<'_>) -> Option<String> {
        match self.find_fault(exchange) {
            Ok(operation) => operation.filter(|_| (200..300).contains(&exchange.status)),
            Err(problem) => {
                let Exchange { method, target, status, .. } = exchange;
                let body = String::from_utf8_lossy(exchange.body);
                panic!(
                    "{method} {target} answered {status}, against the OpenAPI document: {problem}\n{body}"
                );
            }
        }
    }

    fn find_fault(&self, exchange: &Exchange<'_>) -> Result<Option<String>, String> {
        let path = exchange.target.split('?').next().unwrap();
        // Pages, health and the like are not the API.
        if !path.starts_with("/api/v1/") {
            return Ok(None);
        }
        let media_type = exchange.media_type.map(|given| given.split(';').next().unwrap().trim());
        // Preflights of browsers are answered before the API is asked.
        if exchange.method == "OPTIONS" && matches!(exchange.status, 204 | 403) {
            return Ok(None);
        }
        let Some(template) = self.template(path) else {
            return self.not_described(exchange, media_type, 404, "not_found").map(|()| None);
        };
        let method = exchange.method.to_lowercase();
        // HEAD is GET without a body.
        let described = if method == "head" { "get" } else { &method };
        let item = format!("/paths/{}", escaped(&template));
        if self.document.pointer(&format!("{item}/{described}")).is_none() {
            return self.not_described(exchange, media_type, 405, "method_not_allowed").map(|()| None);
        }
        let operation = format!("{item}/{described}");
        let id = self.document.pointer(&format!("{operation}/operationId")).and_then(Value::as_str);
        let id = id.map(str::to_owned);
        let response = format!("{operation}/responses/{}", exchange.status);
        if self.document.pointer(&response).is_none() {
            return Err("the operation has no such status".into());
        }
        self.headers_are_described(&response, exchange)?;
        let Some(content) = self.document.pointer(&format!("{response}/content")) else {
            return if exchange.body.is_empty() { Ok(id) } else { Err("this answer has no body".into()) };
        };
        if method != "head" {
            let media_type = media_type.ok_or("the answer has no content type")?;
            if content.get(media_type).is_none() {
                return Err(format!("the answer is {media_type}"));
            }
            let schema = format!("{response}/content/{}/schema", escaped(media_type));
            self.satisfies(&schema, media_type, exchange.body)?;
        }
        let asked = format!("{operation}/requestBody/content/application~1json/schema");
        match exchange.sent {
            Some(sent) if exchange.status < 300 && self.document.pointer(&asked).is_some() => self
                .satisfies(&asked, "application/json", sent)
                .map_err(|problem| format!("it accepted what it should not: {problem}"))?,
            _ => {}
        }
        Ok(id)
    }

    /// Headers that say something of this answer are in the document.
    fn headers_are_described(&self, response: &str, exchange: &Exchange<'_>) -> Result<(), String> {
        let described = self.document.pointer(&format!("{response}/headers")).and_then(Value::as_object);
        let described: Vec<String> = described
            .into_iter()
            .flat_map(|headers| headers.keys())
            .map(|name| name.to_lowercase())
            .collect();
        let mut telling = exchange.headers.iter().filter(|name| TELLING.contains(&name.as_str()));
        match telling.find(|name| !described.contains(name)) {
            Some(name) => Err(format!("the answer's header {name} is not described")),
            None => Ok(()),
        }
    }

    /// Where the document has nothing, there must be nothing.
    fn not_described(
        &self,
        exchange: &Exchange<'_>,
        media_type: Option<&str>,
        status: u16,
        code: &str,
    ) -> Result<(), String> {
        if exchange.status != status
            || (exchange.method != "HEAD" && media_type != Some("application/problem+json"))
        {
            return Err(format!("it is not described, and is not answered with a problem {status}"));
        }
        if exchange.method == "HEAD" {
            return Ok(());
        }
        self.satisfies("/components/schemas/Problem", "application/problem+json", exchange.body)?;
        let problem: Value = serde_json::from_slice(exchange.body).unwrap();
        if problem["code"] == code {
            Ok(())
        } else {
            Err(format!("it is not described; the code is not {code}"))
        }
    }

    fn satisfies(&self, schema: &str, media_type: &str, body: &[u8]) -> Result<(), String> {
        let value = if media_type.ends_with("json") {
            serde_json::from_slice(body).map_err(|error| format!("not JSON: {error}"))?
        } else {
            Value::String(String::from_utf8(body.to_vec()).map_err(|_| "the text is not UTF-8")?)
        };
        let validator = self.validator(schema);
        let problems: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error} ({})", error.instance_path(), error.schema_path()))
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
    }

    fn validator(&self, pointer: &str) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        let known = validators.entry(pointer.to_owned()).or_insert_with(|| {
            let mut root = Map::new();
            root.insert("components".into(), self.document["components"].clone());
            root.insert("allOf".into(), json!([self.document.pointer(pointer).unwrap()]));
            Arc::new(jsonschema::draft202012::new(&Value::Object(root)).unwrap())
        });
        Arc::clone(known)
    }

    /// The described path that a real one is of; one without parameters first.
    fn template(&self, path: &str) -> Option<String> {
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |template: &&String| {
            let described: Vec<&str> = template.split('/').collect();
            described.len() == segments.len()
                && described
                    .iter()
                    .zip(&segments)
                    .all(|(d, s)| d == s || (d.starts_with('{') && !s.is_empty()))
        };
        let paths = self.document["paths"].as_object().unwrap();
        paths.keys().filter(fits).min_by_key(|template| template.matches('{').count()).cloned()
    }
}

/// As a step of a JSON pointer.
fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// Closes every schema of the document to fields that it does not name.
fn close(document: &mut Value) {
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        // A whole of its own only where something refers to it: parts of `allOf` must stay open.
        schemas.values_mut().for_each(|schema| close_schema(schema, false));
    }
    if let Some(paths) = document.get_mut("paths") {
        close_contents(paths);
    }
}

/// Schemas of bodies, wherever they are below a path.
fn close_contents(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "content" {
                    let bodies = field.as_object_mut().into_iter().flatten();
                    bodies.filter_map(|(_, body)| body.get_mut("schema")).for_each(|s| close_schema(s, true));
                } else {
                    close_contents(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close_contents),
        _ => {}
    }
}

fn close_schema(schema: &mut Value, whole: bool) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| close_schema(property, true));
    }
    for inner in ["items", "additionalProperties"] {
        fields.get_mut(inner).into_iter().for_each(|inner| close_schema(inner, true));
    }
    for parts in ["allOf", "anyOf", "oneOf"] {
        let parts = fields.get_mut(parts).and_then(Value::as_array_mut);
        parts.into_iter().flatten().for_each(|part| close_schema(part, false));
    }
    // `Object` without more is any JSON object, on purpose.
    let open = fields.len() == 1 && fields.get("type") == Some(&json!("object"));
    if whole && !open {
        fields.insert("unevaluatedProperties".into(), json!(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> Contract {
        Contract::new(json!({
            "paths": { "/api/v1/a/{id}": { "post": {
                "requestBody": { "content": { "application/json": { "schema": {
                    "type": "object", "properties": { "n": { "type": "integer" } },
                }}}},
                "responses": { "200": { "content": { "application/json": { "schema": {
                    "$ref": "#/components/schemas/Both",
                }}}}},
            }}},
            "components": { "schemas": {
                "Problem": { "type": "object", "properties": { "code": { "type": "string" } } },
                "One": { "type": "object", "properties": { "one": { "type": "integer" } }, "required": ["one"] },
                "Both": { "allOf": [
                    { "$ref": "#/components/schemas/One" },
                    { "type": "object", "properties": { "two": { "$ref": "#/components/schemas/One" } } },
                ]},
            }},
        }))
    }

    fn fault(
        method: &str,
        target: &str,
        status: u16,
        media_type: &str,
        sent: Value,
        body: Value,
    ) -> Option<String> {
        let (sent, body) = (sent.to_string(), body.to_string());
        let exchange = Exchange {
            method,
            target,
            sent: Some(sent.as_bytes()),
            status,
            media_type: Some(media_type),
            headers: Vec::new(),
            body: body.as_bytes(),
        };
        contract().find_fault(&exchange).err()
    }

    #[test]
    fn what_the_document_does_not_have_is_a_fault() {
        let json = "application/json";
        let good = json!({ "one": 1, "two": { "one": 2 } });
        assert_eq!(fault("POST", "/api/v1/a/x?y=z", 200, json, json!({ "n": 1 }), good.clone()), None);
        for (status, media_type, sent, body) in [
            (201, json, json!({}), good.clone()),
            (200, "text/html", json!({}), good.clone()),
            (200, json, json!({ "m": 1 }), good.clone()),
            (200, json, json!({ "n": "1" }), good),
            (200, json, json!({}), json!({ "one": 1, "three": 3 })),
            (200, json, json!({}), json!({ "one": 1, "two": { "one": 2, "three": 3 } })),
            (200, json, json!({}), json!({ "two": { "one": 2 } })),
        ] {
            assert!(
                fault("POST", "/api/v1/a/x", status, media_type, sent.clone(), body.clone()).is_some(),
                "{sent} {body}"
            );
        }
        let problem = "application/problem+json";
        let none = || json!({});
        assert_eq!(
            fault("GET", "/api/v1/a/x", 405, problem, none(), json!({ "code": "method_not_allowed" })),
            None
        );
        assert_eq!(fault("GET", "/api/v1/b", 404, problem, none(), json!({ "code": "not_found" })), None);
        assert!(fault("GET", "/api/v1/a/x", 200, json, none(), json!({ "one": 1 })).is_some());
        assert!(fault("GET", "/api/v1/b", 200, json, none(), json!({ "one": 1 })).is_some());
        assert!(fault("GET", "/api/v1/b", 404, problem, none(), json!({ "code": "other" })).is_some());
    }

    #[test]
    fn headers_that_the_document_does_not_have_are_a_fault() {
        let fault = |name: &str| {
            let exchange = Exchange {
                method: "POST",
                target: "/api/v1/a/x",
                sent: None,
                status: 200,
                media_type: Some("application/json"),
                headers: vec![name.to_owned()],
                body: br#"{"one":1}"#,
            };
            contract().find_fault(&exchange).err()
        };
        assert_eq!(fault("date"), None);
        assert!(fault("retry-after").unwrap().contains("retry-after"));
    }
}

//! Headers that hold for many operations: what is left of a rate, who must sign, that an answer was given before, where
//! a stream goes on. And what is posted to webhooks.

use serde_json::{Map, Value, json};

/// Adds a header of `components` to a response of the document.
fn put_shared(response: &mut Value, name: &str) {
    let header = json!({ "$ref": format!("#/components/headers/{name}") });
    let headers = response.as_object_mut().map(|response| response.entry("headers").or_insert(json!({})));
    let headers = headers.and_then(Value::as_object_mut);
    headers.into_iter().for_each(|headers| _ = headers.insert(name.to_owned(), header.clone()));
}

/// Adds a parameter to an operation.
pub(super) fn add_parameter(operation: &mut Value, parameter: Value) {
    match operation.get_mut("parameters").and_then(Value::as_array_mut) {
        Some(parameters) => parameters.push(parameter),
        None => operation["parameters"] = json!([parameter]),
    }
}

fn text(description: &str) -> Value {
    json!({ "description": description, "schema": { "type": "string" } })
}

/// Adds the headers of all responses, and the place where a stream goes on.
pub(super) fn tell_headers(document: &mut Value) {
    let left = text(
        "What is left of the rate this request counts to, as `\"read\";r=599` (draft-ietf-httpapi-ratelimit-headers). Not \
         told to this machine.",
    );
    let policy = text("The rate itself, as `\"read\";q=600;w=60`: so many within 60 s.");
    let scheme = text("The scheme to sign with: `Nostr` (NIP-98).");
    let replayed = json!({
        "description": "`true` where this `Idempotency-Key` had this answer before; nothing was done again.",
        "schema": { "type": "string", "const": "true" },
    });
    document["components"]["headers"] = json!({
        "RateLimit": left,
        "RateLimit-Policy": policy,
        "WWW-Authenticate": scheme,
        "Idempotent-Replayed": replayed,
    });
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (method, operation) in
        paths.into_iter().flatten().flat_map(|(_, item)| item.as_object_mut()).flatten()
    {
        let streams = operation.pointer("/responses/200/content/text~1event-stream").is_some();
        if streams {
            add_parameter(
                operation,
                json!({
                    "name": "Last-Event-ID", "in": "header", "required": false,
                    "description": "The last event that the reader has, as browsers say it when they connect again; wins over \
                        `after`. Empty is as if it were not there.",
                    "schema": { "type": "string" },
                }),
            );
        }
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for (status, response) in responses.into_iter().flatten() {
            put_shared(response, "RateLimit");
            put_shared(response, "RateLimit-Policy");
            if status == "401" {
                put_shared(response, "WWW-Authenticate");
            }
            if method == "post" {
                put_shared(response, "Idempotent-Replayed");
            }
        }
    }
}

/// Adds what the service itself sends: the event that is posted to a webhook.
pub(super) fn tell_webhooks(document: &mut Value) {
    let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "required": true, "description": description, "schema": schema });
    let digits = json!({ "type": "string", "pattern": "^[0-9]+$" });
    let parameters = json!([
        header(
            "webhook-id",
            "Names this event for this webhook: the same in every try, so that a receiver can tell a repetition.",
            json!({ "type": "string" }),
        ),
        header("webhook-timestamp", "Unix time of this try; it is signed with the rest.", digits),
        header(
            "webhook-signature",
            "HMAC-SHA256 over `id.timestamp.body` under the webhook's secret, as `v1,BASE64` (Standard Webhooks).",
            json!({ "type": "string", "pattern": "^v1,[A-Za-z0-9+/]+=*$" }),
        ),
    ]);
    let post = |id: &str, summary: &str, description: &str, schema: Value| {
        json!({ "post": {
            "operationId": id,
            "tags": ["webhooks"],
            "summary": summary,
            "description": description,
            "parameters": parameters,
            "requestBody": { "required": true, "content": { "application/json": { "schema": schema } } },
            "responses": {
                "2XX": { "description": "Taken: the next event may come." },
                "410": { "description": "No more: the webhook is disabled at once." },
                "default": { "description": "Not taken: it is tried again, later and later, for three days." },
            },
        }})
    };
    let test = json!({
        "type": "object",
        "description": "A made-up event, sent once by `testWebhook`.",
        "properties": {
            "id": { "type": "string", "pattern": "^test-[0-9a-f]{32}$", "description": "As no event's." },
            "type": { "const": "webhook_test", "description": "As no event's." },
            "data": { "type": "object", "description": "Empty." },
            "recorded_secs": { "type": "integer", "minimum": 0, "description": "Unix time it was sent at." },
        },
        "required": ["id", "type", "data", "recorded_secs"],
    });
    let mut webhooks = Map::new();
    webhooks.insert(
        "event".to_owned(),
        post(
            "receiveEvent",
            "An event is posted",
            "Each public event of the webhook's scope and types, at least once and in order, to the `url` it was made with.",
            json!({ "$ref": "#/components/schemas/PublicEvent" }),
        ),
    );
    let summary = "A webhook is tried";
    let description = "What `testWebhook` posts, signed like every event.";
    webhooks.insert("test".to_owned(), post("receiveTest", summary, description, test));
    document["webhooks"] = Value::Object(webhooks);
}

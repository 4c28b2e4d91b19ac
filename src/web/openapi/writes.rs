//! Who must sign a request, and how a write is made to count once.

use super::headers::add_parameter;
use super::refusals;
use crate::web::problem::entry;
use serde_json::{Value, json};

/// Adds the security scheme, where it is asked for, and the header that makes a write count once.
pub(super) fn tell_writes(document: &mut Value) {
    // Described where the service has it.
    if entry("idempotency_key").is_none() {
        return;
    }
    document["components"]["securitySchemes"] = json!({ "nip98": {
        "type": "http",
        "scheme": "Nostr",
        "description": "NIP-98: a Nostr event of kind 27235 in base64, signed by an identity's key, with the tags `u` (the URL \
            below the service's public address), `method` and `payload` (SHA-256 of the body). Its `created_at` is within \
            60 s of now, and each event serves once.",
    }});
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
            let signed = refusals::of(id, method, path).values().flatten().any(|e| e.code == "auth_required");
            // What is read is public, but for what belongs to an identity.
            if method == "get" {
                if signed {
                    operation["security"] = json!([{ "nip98": [] }]);
                }
                continue;
            }
            // A statement or a signature in the body is authority in itself; the request may be signed all the same.
            operation["security"] =
                if signed { json!([{ "nip98": [] }]) } else { json!([{}, { "nip98": [] }]) };
            // What is replaced or deleted twice is so once.
            if method != "post" {
                continue;
            }
            let key = json!({
                "name": "Idempotency-Key", "in": "header", "required": false,
                "description": "Anything the client chose for this request: sent again, it gets the first answer again.",
                "schema": { "type": "string", "pattern": r"^[!#-\[\]-~]{1,255}$" },
            });
            add_parameter(operation, key);
        }
    }
}

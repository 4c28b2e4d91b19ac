//! JSON Schema in words: what a field is, where its schema is described, and a value of it for an example.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// Deepest that an example goes into itself.
const MAX_DEPTH: usize = 6;
/// Values of an enumeration that are named; some have a hundred.
const VALUES: usize = 60;

/// A part of a text: words, or words that stand for code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The words.
    pub text: String,
    /// Between backticks.
    pub code: bool,
}

/// A description, with its code apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text(pub Vec<Run>);

impl Text {
    /// Of a description: what stands between backticks is code.
    pub fn of(text: &str) -> Text {
        let parts = text.split('`').enumerate().filter(|(_, part)| !part.is_empty());
        Text(parts.map(|(at, part)| Run { text: part.to_owned(), code: at % 2 == 1 }).collect())
    }
}

/// What a value is: words, and schemas that are described elsewhere on the page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Words before.
    pub words: String,
    /// Schemas it consists of.
    pub schemas: Vec<Named>,
    /// Texts it can be.
    pub values: Vec<String>,
    /// What holds for it besides: limits, a pattern.
    pub limits: Vec<String>,
}

/// A schema of the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub anchor: String,
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it is.
    pub shape: Shape,
    /// Whether it is always there.
    pub required: bool,
    /// What is said of it.
    pub about: Text,
    /// Where an object has several forms: in which one.
    pub form: String,
}

/// Where a schema is on the page.
pub fn anchor(name: &str) -> String {
    format!("schema-{}", name.to_lowercase())
}

fn name_of(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}

/// What a schema asks for.
pub fn in_words(schema: &Value) -> Shape {
    let mut shape = Shape::default();
    collect(schema, &mut shape);
    if shape.words.is_empty() && shape.schemas.is_empty() && shape.values.is_empty() {
        shape.words = "anything".to_owned();
    }
    shape
}

fn add(words: &mut String, more: &str) {
    if words.split(", ").any(|known| known == more) {
        return;
    }
    if !words.is_empty() {
        words.push_str(", ");
    }
    words.push_str(more);
}

fn collect(schema: &Value, shape: &mut Shape) {
    if let Some(name) = name_of(schema) {
        let named = Named { name: name.to_owned(), anchor: anchor(name) };
        if !shape.schemas.contains(&named) {
            shape.schemas.push(named);
        }
        return;
    }
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind.as_str()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    for kind in kinds {
        match kind {
            "array" => {
                add(&mut shape.words, "list of");
                if let Some(items) = schema.get("items") {
                    collect(items, shape);
                }
            }
            "null" => add(&mut shape.words, "or null"),
            "string" if schema.get("enum").is_some() => {}
            "string" => add(&mut shape.words, "text"),
            other => add(&mut shape.words, other),
        }
    }
    let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    shape.values.extend(values.filter_map(Value::as_str).take(VALUES).map(str::to_owned));
    if let Some(value) = schema.get("const") {
        shape.values.push(value.to_string());
    }
    for (key, word) in [
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("default", "else"),
        ("maxLength", "characters at most"),
        ("maxItems", "items at most"),
        ("pattern", "matches"),
    ] {
        if let Some(limit) = schema.get(key) {
            let limit = limit.as_str().map_or_else(|| limit.to_string(), str::to_owned);
            shape.limits.push(format!("{word} {limit}"));
        }
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            collect(part, shape);
        }
    }
}

/// The fields of an object; of all its forms, where it has several.
pub fn fields(schema: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    gather(schema, "", &mut found);
    found
}

fn gather(schema: &Value, form: &str, found: &mut Vec<Field>) {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        found.push(Field {
            name: name.clone(),
            shape: in_words(field),
            required: required.contains(&name.as_str()),
            about: Text::of(field.get("description").and_then(Value::as_str).unwrap_or_default()),
            form: form.to_owned(),
        });
    }
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        gather(part, form, found);
    }
    for part in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        gather(part, &form_name(part), found);
    }
}

/// What tells a form from the others: the one value that its own field can have.
fn form_name(part: &Value) -> String {
    let fields = part.get("properties").and_then(Value::as_object).into_iter().flatten();
    let only = |field: &Value| {
        let values = field.get("enum")?.as_array()?;
        if values.len() == 1 { values.first()?.as_str().map(str::to_owned) } else { None }
    };
    fields.filter_map(|(_, field)| only(field)).next().unwrap_or_default()
}

/// A value that a schema could have, for an example.
pub fn sample(document: &Value, schema: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return json!("...");
    }
    if let Some(name) = name_of(schema) {
        let found = document.pointer(&format!("/components/schemas/{name}"));
        return found.map_or(Value::Null, |found| sample(document, found, depth + 1));
    }
    if let Some(value) = schema.get("const").or_else(|| schema.get("enum")?.as_array()?.first()) {
        return value.clone();
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(fields) = sample(document, part, depth + 1) {
                whole.extend(fields);
            }
        }
        return Value::Object(whole);
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(first) = schema.get(key).and_then(Value::as_array).and_then(|forms| forms.first()) {
            return sample(document, first, depth + 1);
        }
    }
    if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
        let value = |(name, field): (&String, &Value)| (name.clone(), sample(document, field, depth + 1));
        return Value::Object(fields.iter().map(value).collect());
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => json!({}),
        Some("array") => {
            let items = schema.get("items");
            Value::Array(items.map(|items| vec![sample(document, items, depth + 1)]).unwrap_or_default())
        }
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("boolean") => json!(true),
        _ => json!("..."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_told_in_words() {
        let shape =
            in_words(&json!({ "oneOf": [{ "$ref": "#/components/schemas/Tip" }, { "type": "null" }] }));
        assert_eq!((shape.words.as_str(), shape.schemas[0].anchor.as_str()), ("or null", "schema-tip"));
        let shape = in_words(&json!({ "type": "array", "items": { "type": "string", "maxLength": 3 } }));
        assert_eq!(
            (shape.words.as_str(), shape.limits.as_slice()),
            ("list of, text", &["characters at most 3".to_owned()][..])
        );
        assert_eq!(in_words(&json!({})).words, "anything");
        let forms = json!({ "oneOf": [
            { "properties": { "kind": { "enum": ["a"] }, "x": { "type": "integer" } }, "required": ["x"] },
            { "properties": { "kind": { "enum": ["b"] } } },
        ] });
        let names: Vec<(String, String, bool)> =
            fields(&forms).into_iter().map(|field| (field.form, field.name, field.required)).collect();
        assert_eq!(names[1], ("a".into(), "x".into(), true));
        assert_eq!(names[2].0, "b");
        assert_eq!(sample(&json!({}), &forms, 0), json!({ "kind": "a", "x": 1 }));
        let text = Text::of("a `b` c");
        assert_eq!(text.0.iter().map(|run| run.code).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn a_schema_within_itself_ends() {
        let document = json!({ "components": { "schemas": { "A": { "$ref": "#/components/schemas/A" } } } });
        assert_eq!(sample(&document, &json!({ "$ref": "#/components/schemas/A" }), 0), json!("..."));
    }
}

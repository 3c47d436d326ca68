//! The JSON schema of the configuration, for editors that complete and check as one types. It says the
//! form of each value; rules between keys, and what an expression may say, are the parser's alone.

use serde_json::{Map, Value, json};

use super::outline::{Outline, Shape, outline};
use super::reference::{meaning, words};

/// The edition that editors for TOML understand best.
const EDITION: &str = "http://json-schema.org/draft-07/schema#";

/// One or more whole numbers with their units, as "1h 30m".
const DURATION: &str = "^\\s*([0-9]+\\s*[a-zA-Z]+\\s*)+$";

/// A day; whether there is such a one is the parser's to say.
const DATE: &str = "^\\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\\s*$";

/// A share with its sign; the bounds are the parser's.
const SHARE: &str = "^\\s*[0-9]+(\\.[0-9]{1,2})?\\s*%\\s*$";

/// The schema.
pub fn schema() -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), EDITION.into());
    schema.insert("title".to_owned(), "Configuration of Manntall".into());
    if let Value::Object(root) = of(&outline(), "") {
        schema.extend(root);
    }
    Value::Object(schema)
}

fn of(outline: &Outline, path: &str) -> Value {
    let mut forms: Vec<Value> = outline.shapes.iter().map(|shape| form(shape, path)).collect();
    match (forms.pop(), forms.is_empty()) {
        (None, _) => json!({}),
        (Some(only), true) => only,
        (Some(last), false) => {
            forms.push(last);
            json!({ "anyOf": forms })
        }
    }
}

fn form(shape: &Shape, path: &str) -> Value {
    match shape {
        Shape::Text | Shape::Expression => json!({ "type": "string" }),
        Shape::Guid => {
            let pattern = "^\\s*[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\\s*$";
            json!({ "type": "string", "pattern": pattern })
        }
        Shape::Url => json!({ "type": "string", "pattern": "^[hH][tT][tT][pP][sS]?://" }),
        Shape::Duration(..) => json!({ "type": "string", "pattern": DURATION }),
        Shape::Date => json!({ "type": "string", "pattern": DATE }),
        Shape::Share => json!({ "type": "string", "pattern": SHARE }),
        Shape::Choice(words) => json!({ "type": "string", "enum": words }),
        Shape::Truth => json!({ "type": "boolean" }),
        Shape::Whole(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::Number(most) => json!({ "type": "number", "exclusiveMinimum": 0, "maximum": most }),
        Shape::List(inner) => json!({ "type": "array", "items": of(inner, &format!("{path}[]")) }),
        Shape::Named(inner) => {
            let inner = of(inner, &format!("{path}.NAME"));
            json!({ "type": "object", "additionalProperties": inner })
        }
        Shape::Table(keys) => {
            let mut properties = Map::new();
            for key in keys {
                let dot = if path.is_empty() { "" } else { "." };
                let below = format!("{path}{dot}{}", key.name);
                let mut property = of(&key.outline, &below);
                if let Value::Object(property) = &mut property {
                    property.insert("description".to_owned(), meaning(&below, key).into());
                    if let Some(default) = default(&below) {
                        property.insert("default".to_owned(), default);
                    }
                }
                properties.insert(key.name.clone(), property);
            }
            let needed: Vec<&str> =
                keys.iter().filter(|key| key.required).map(|key| key.name.as_str()).collect();
            json!({
                "type": "object",
                "properties": properties,
                "required": needed,
                "additionalProperties": false,
            })
        }
    }
}

/// The default as a value.
fn default(path: &str) -> Option<Value> {
    let text = words(path)?.default;
    let table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    serde_json::to_value(table.get("value")?).ok()
}

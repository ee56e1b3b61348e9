//! Schemas as HTML: types with links, fields, and descriptions.

use serde_json::Value;

/// A schema, or a set of fields that belong together.
pub(crate) struct Fields {
    /// What tells it apart from the other choices. Empty if there is only one.
    pub(crate) title: String,
    pub(crate) fields: Vec<Field>,
}

/// A field of a body, or a parameter.
pub(crate) struct Field {
    pub(crate) name: String,
    /// HTML.
    pub(crate) kind: String,
    /// Where a parameter is. Empty for a field.
    pub(crate) place: String,
    pub(crate) is_required: bool,
    /// HTML.
    pub(crate) description: String,
    /// Its range and default. Can be empty.
    pub(crate) limits: String,
}

/// The operations and schemas of an OpenAPI document.
#[derive(Clone, Copy)]
pub(crate) struct Document<'a>(pub(crate) &'a Value);

impl<'a> Document<'a> {
    /// Returns the value that a reference names, or the value itself.
    pub(crate) fn resolve(self, value: &'a Value) -> &'a Value {
        let target =
            value["$ref"].as_str().and_then(|reference| self.0.pointer(reference.strip_prefix('#')?));
        target.unwrap_or(value)
    }

    /// Returns the fields of an object: one set for each choice of a `oneOf`, none for other types.
    pub(crate) fn fields(self, schema: &'a Value) -> Vec<Fields> {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            let choices = choices.iter().filter(|choice| choice["type"] != "null");
            return choices.flat_map(|choice| self.choice(choice)).collect();
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let sets = parts.iter().flat_map(|part| self.fields(part));
            return vec![Fields { title: String::new(), fields: sets.flat_map(|set| set.fields).collect() }];
        }
        let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
        let is_required = |name: &str| list(&schema["required"]).any(|required| required == name);
        let fields = properties.iter().map(|(name, field)| Field {
            name: name.clone(),
            kind: kind(field),
            place: String::new(),
            is_required: is_required(name),
            description: prose(self.description(field)),
            limits: limits(field),
        });
        vec![Fields { title: text(&schema["title"]).to_owned(), fields: fields.collect() }]
    }

    /// Returns the fields of a choice. A schema with a name has the name as its title.
    fn choice(self, schema: &'a Value) -> Vec<Fields> {
        let name = referenced(schema).unwrap_or_default();
        let named =
            |set: Fields| Fields { title: if set.title.is_empty() { name.into() } else { set.title }, ..set };
        self.fields(schema).into_iter().map(named).collect()
    }

    /// Returns the fields as sets whose titles tell them apart.
    pub(crate) fn titled_fields(self, schema: &'a Value) -> Vec<Fields> {
        let mut sets = self.fields(schema);
        if sets.len() == 1 {
            sets[0].title.clear();
        }
        for set in sets.iter_mut().filter(|set| set.title.is_empty() && set.fields.len() == 1) {
            set.title = format!("With {}", set.fields[0].name);
        }
        sets
    }

    /// Returns the description of a field, which may be that of its schema.
    fn description(self, field: &'a Value) -> &'a str {
        let choices = list(&field["oneOf"]).chain([field]);
        let own = choices.map(|choice| text(&choice["description"])).find(|words| !words.is_empty());
        own.unwrap_or_else(|| {
            let mut targets = list(&field["oneOf"]).chain([field]).map(|choice| self.resolve(choice));
            targets.find_map(|target| target["description"].as_str()).unwrap_or_default()
        })
    }
}

/// Returns the name of the schema that this schema refers to.
pub(crate) fn referenced(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")
}

/// Returns a type as HTML, with links to other schemas.
pub(crate) fn kind(schema: &Value) -> String {
    if let Some(name) = referenced(schema) {
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    if let Some(value) = schema.get("const") {
        return code(value);
    }
    if let Some(values) = schema["enum"].as_array() {
        return joined(values.iter().map(code), " | ");
    }
    for (choice, word) in [("oneOf", " or "), ("allOf", " and ")] {
        if let Some(parts) = schema[choice].as_array() {
            return joined(parts.iter().map(kind), word);
        }
    }
    let types = list(&schema["type"]).chain(schema.get("type").filter(|kind| kind.is_string()));
    joined(types.map(|name| simple_kind(text(name), schema)), " or ")
}

fn simple_kind(name: &str, schema: &Value) -> String {
    match name {
        "array" => format!("array of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map of {}", kind(&schema["additionalProperties"]))
        }
        "string" if schema["format"].is_string() => format!("string ({})", escape(text(&schema["format"]))),
        name => escape(name),
    }
}

fn joined(parts: impl Iterator<Item = String>, separator: &str) -> String {
    parts.collect::<Vec<_>>().join(separator)
}

fn code(value: &Value) -> String {
    format!("<code>{}</code>", escape(&plain(value)))
}

/// Returns a string without quotes, and any other value as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the range and the default of a value, in words.
pub(crate) fn limits(schema: &Value) -> String {
    let mut limits = Vec::new();
    for (low, high, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ] {
        match (&schema[low], &schema[high]) {
            (Value::Null, Value::Null) => {}
            (low, Value::Null) if *low == 0 => {}
            (low, Value::Null) => limits.push(format!("at least {low}{unit}")),
            (Value::Null, high) => limits.push(format!("at most {high}{unit}")),
            (low, high) if low == high => limits.push(format!("{low}{unit}")),
            (low, high) => limits.push(format!("{low} to {high}{unit}")),
        }
    }
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        limits.push(format!("default {}", plain(default)));
    }
    limits.join(", ")
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(crate) fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns a text as HTML. An empty line separates paragraphs, and what is between backticks is code.
pub(crate) fn prose(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let parts = paragraph.split('`').enumerate().map(|(place, part)| {
            let part = escape(part);
            if place % 2 == 1 { format!("<code>{part}</code>") } else { part }
        });
        format!("<p>{}</p>", parts.collect::<String>())
    });
    if text.is_empty() { String::new() } else { paragraphs.collect() }
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

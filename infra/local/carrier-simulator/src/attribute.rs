//! The attributes of a resource that forms can set: the form field, the JSON property, and the type of the
//! value.
//!
//! An absent field leaves the property unchanged. An empty text or URL sets the property to null. Other empty
//! fields count as absent.

use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::form::Fields;
use crate::messages::send_request::is_web_address;

/// The attributes of a resource, by property name.
pub(crate) type Attributes = Map<String, Value>;

/// A form field, its property, and the type of the value.
pub(crate) struct Attribute(pub(crate) &'static str, pub(crate) &'static str, pub(crate) Kind);

/// The type of an attribute, with its initial value if that is not null.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// An `http` or `https` URL.
    Url,
    /// `GET` or `POST`. The initial value is `POST`.
    Method,
    Flag(bool),
    Whole(u32),
    /// A list of texts from a repeated field. It is replaced as a whole.
    Texts(&'static [&'static str]),
}

/// The initial attributes.
pub(crate) fn initial(attributes: &[Attribute]) -> Attributes {
    attributes
        .iter()
        .map(|Attribute(_, property, kind)| ((*property).to_owned(), initial_value(*kind)))
        .collect()
}

/// Sets the attributes that the form has. Sets nothing if one of them is invalid.
pub(crate) fn set(attributes: &[Attribute], fields: &Fields, set: &mut Attributes) -> Result<(), Failure> {
    let given: Vec<_> = attributes
        .iter()
        .filter_map(|Attribute(field, property, kind)| {
            Some(read(field, *kind, fields).transpose()?.map(|value| ((*property).to_owned(), value)))
        })
        .collect::<Result<_, _>>()?;
    set.extend(given);
    Ok(())
}

/// The JSON resource: the attributes and the other properties.
pub(crate) fn resource(attributes: &Attributes, rest: Value) -> Value {
    let mut resource = attributes.clone();
    if let Value::Object(rest) = rest {
        resource.extend(rest);
    }
    Value::Object(resource)
}

fn initial_value(kind: Kind) -> Value {
    match kind {
        Kind::Text | Kind::Url => Value::Null,
        Kind::Method => "POST".into(),
        Kind::Flag(first) => first.into(),
        Kind::Whole(first) => first.into(),
        Kind::Texts(first) => first.into(),
    }
}

fn read(field: &str, kind: Kind, fields: &Fields) -> Result<Option<Value>, Failure> {
    match kind {
        Kind::Text => Ok(fields.given(field).map(text)),
        Kind::Url => match fields.given(field) {
            Some(url) if !url.is_empty() && !is_web_address(url) => {
                Err(Failure::parameter(format!("{field} must be an http or https URL")))
            }
            given => Ok(given.map(text)),
        },
        Kind::Method => match fields.get(field) {
            Some(method) if !matches!(method, "GET" | "POST") => {
                Err(Failure::parameter(format!("{field} must be GET or POST")))
            }
            given => Ok(given.map(Value::from)),
        },
        Kind::Flag(_) => Ok(fields.flag(field)?.map(Value::from)),
        Kind::Whole(_) => Ok(fields.whole::<u32>(field)?.map(Value::from)),
        Kind::Texts(_) => {
            let texts: Vec<&str> = fields.all(field).collect();
            Ok((!texts.is_empty()).then(|| texts.into()))
        }
    }
}

fn text(given: &str) -> Value {
    if given.is_empty() { Value::Null } else { given.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ATTRIBUTES: [Attribute; 6] = [
        Attribute("Name", "name", Kind::Text),
        Attribute("Url", "url", Kind::Url),
        Attribute("Method", "method", Kind::Method),
        Attribute("Sticky", "sticky", Kind::Flag(true)),
        Attribute("Period", "period", Kind::Whole(7)),
        Attribute("Words", "words", Kind::Texts(&["STOP"])),
    ];

    fn form(fields: &[(&str, &str)]) -> Fields {
        Fields(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn given_fields_are_set_and_absent_fields_stay() {
        let mut attributes = initial(&ATTRIBUTES);
        let first = json!({ "name": null, "url": null, "method": "POST", "sticky": true, "period": 7, "words": ["STOP"] });
        assert_eq!(Value::Object(attributes.clone()), first);
        let fields = form(&[
            ("Name", "Desk"),
            ("Url", "https://a.test"),
            ("Method", "GET"),
            ("Sticky", "False"),
            ("Period", "8"),
            ("Words", "END"),
            ("Words", "QUIT"),
        ]);
        set(&ATTRIBUTES, &fields, &mut attributes).unwrap();
        let second = json!({ "name": "Desk", "url": "https://a.test", "method": "GET", "sticky": false, "period": 8, "words": ["END", "QUIT"] });
        assert_eq!(Value::Object(attributes.clone()), second);
        let emptied: Vec<_> = ATTRIBUTES.iter().map(|Attribute(field, ..)| (*field, "")).collect();
        set(&ATTRIBUTES, &form(&emptied), &mut attributes).unwrap();
        let third = json!({ "name": null, "url": null, "method": "GET", "sticky": false, "period": 8, "words": ["END", "QUIT"] });
        assert_eq!(Value::Object(attributes), third);
    }

    #[test]
    fn an_invalid_field_sets_nothing() {
        for wrong in [("Url", "mailto:a"), ("Method", "PUT"), ("Sticky", "maybe"), ("Period", "-1")] {
            let mut attributes = initial(&ATTRIBUTES);
            assert!(
                set(&ATTRIBUTES, &form(&[("Name", "Desk"), wrong]), &mut attributes).is_err(),
                "{wrong:?}"
            );
            assert_eq!(attributes, initial(&ATTRIBUTES));
        }
    }
}

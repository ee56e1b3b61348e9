//! JSON bodies of requests, their limits and errors, and the context that API Gateway adds to a request.

use lambda_http::{
    Request, RequestExt, aws_lambda_events::apigw::ApiGatewayV2httpRequestContext, request::RequestContext,
};
use serde::de::DeserializeOwned;
use shared_domain::field::escape_pointer;

use crate::{parameters::MAX_UNKNOWN, problem::Problem};

pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// Returns what API Gateway adds to a request. `None` if the request did not come through it.
pub(crate) fn gateway(request: &impl RequestExt) -> Option<&ApiGatewayV2httpRequestContext> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => Some(context),
        _ => None,
    }
}

/// Returns the route that API Gateway matched, such as `GET /v1/me`.
pub fn route(request: &Request) -> &str {
    gateway(request).and_then(|context| context.route_key.as_deref()).unwrap_or_default()
}

/// Returns a parameter of the query.
pub fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query_string_parameters_ref()?.first(name)
}

pub(crate) fn too_large() -> Problem {
    Problem::new(413, "too_large", "The body is larger than 64 KiB.")
}

/// Reads a JSON body. Errors with `413` for a body that is too large, and with `400` and a pointer for a
/// field that is missing, has the wrong type, or is unknown.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.len() > MAX_BODY_BYTES {
        return Err(too_large());
    }
    // serde_json does not check the UTF-8 of values that it skips.
    let text = str::from_utf8(bytes).map_err(|_| Problem::malformed("The body is not valid UTF-8."))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut unknown = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| {
        if unknown.len() < MAX_UNKNOWN {
            unknown.push(ignored_pointer(&path));
        }
    };
    let tracked = serde_ignored::Deserializer::new(&mut reader, &mut note);
    let value: Object<T> = serde_path_to_error::deserialize(tracked).map_err(|error| {
        let message = error.inner().to_string();
        let missing = missing_field(&message).map(|field| format!("/{field}")).unwrap_or_default();
        let (pointer, shape) = (format!("{}{missing}", pointer(error.path())), shape(error.inner()));
        let subject = if pointer.is_empty() { "The body" } else { &pointer };
        Problem::malformed(format!("{subject} {shape}.")).with_error(&pointer, shape)
    })?;
    reader.end().map_err(|_| Problem::malformed("The body continues after the end of the JSON document."))?;
    if !unknown.is_empty() {
        let problem = Problem::malformed("The body has a field that this operation does not have.");
        return Err(unknown
            .iter()
            .fold(problem, |problem, pointer| problem.and_error(pointer, "is unknown")));
    }
    Ok(value.0)
}

/// Parses only a JSON object.
struct Object<T>(T);

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

/// Parses a field that is an object. A derived implementation would also accept a list with the values in
/// order.
pub fn object<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Fields<T>(std::marker::PhantomData<T>);
    impl<'de, T: serde::Deserialize<'de>> serde::de::Visitor<'de> for Fields<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
            T::deserialize(serde::de::value::MapAccessDeserializer::new(fields))
        }
    }
    deserializer.deserialize_map(Fields(std::marker::PhantomData))
}

/// As [`object`], for a field that may be absent or `null`. Use it with `serde(default)`.
pub fn optional_object<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let found: Option<Object<T>> = serde::Deserialize::deserialize(deserializer)?;
    Ok(found.map(|Object(value)| value))
}

/// Parses a field of a change: `None` if it is absent, `Some(None)` if it is `null`. Use it with
/// `serde(default)`.
pub fn nullable<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    serde::Deserialize::deserialize(deserializer).map(Some)
}

/// Returns a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", escape_pointer(key)),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// Returns the JSON pointer of a field that no type has.
fn ignored_pointer(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}/{index}", ignored_pointer(parent)),
        Path::Map { parent, key } => format!("{}/{}", ignored_pointer(parent), escape_pointer(key)),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            ignored_pointer(parent)
        }
    }
}

/// Returns the name in serde's message "missing field `x`". The path of such an error ends at the object.
fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

/// Describes the error without the values that serde repeats in its message.
fn shape(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data if missing_field(&error.to_string()).is_some() => "is required",
        serde_json::error::Category::Data => "has the wrong type",
        _ => "is not valid JSON",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Wanted {
        #[allow(dead_code, reason = "only serde reads it")]
        #[serde(deserialize_with = "object")]
        to: To,
    }
    #[derive(Debug, serde::Deserialize)]
    struct To {
        #[allow(dead_code, reason = "only serde reads it")]
        number: String,
    }

    fn refused(text: &str) -> Problem {
        parse::<Wanted>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_error_of_an_invalid_field_has_its_pointer_and_not_its_value() {
        let problem = refused(r#"{"to":{"number":12025550143}}"#);
        assert_eq!(problem.data["errors"][0]["pointer"], "/to/number");
        assert!(!problem.body("r", "").to_string().contains("0143"));
    }

    #[test]
    fn invalid_json_and_a_body_that_is_too_large_are_refused() {
        assert_eq!(refused("{").status, 400);
        assert_eq!(refused(r#"{"to":{"number":"1"}} x"#).status, 400);
        assert_eq!(refused(&" ".repeat(MAX_BODY_BYTES + 1)).status, 413);
    }

    #[test]
    fn invalid_utf_8_is_refused_even_in_a_field_that_is_ignored() {
        for bytes in
            [&b"{\"to\":{\"number\":\"1\"},\"x\":\"\xff\"}"[..], b"{\"to\":{\"number\":\"1\"},\"\xff\":1}"]
        {
            let problem = parse::<Wanted>(bytes).unwrap_err();
            assert_eq!((problem.status, problem.code), (400, "malformed"));
        }
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_pointer() {
        let problem = refused(r#"{"to":{"number":"1","a/b":[{"x":1}]},"assignedUser":null}"#);
        assert_eq!((problem.status, problem.code), (400, "malformed"));
        let errors = &problem.data["errors"];
        assert_eq!(
            (&errors[0]["pointer"], &errors[1]["pointer"]),
            (&"/to/a~1b".into(), &"/assignedUser".into())
        );
    }

    #[test]
    fn a_list_in_place_of_an_object_is_refused() {
        assert_eq!(refused(r#"[{"number":"1"}]"#).status, 400);
        assert_eq!(refused(r#"{"to":["1"]}"#).data["errors"][0]["pointer"], "/to");
    }

    #[test]
    fn the_error_of_a_missing_field_has_the_pointer_of_that_field() {
        for (text, pointer) in [("{}", "/to"), (r#"{"to":{}}"#, "/to/number")] {
            let problem = refused(text);
            assert_eq!(problem.data["errors"][0]["pointer"], pointer);
            assert_eq!(problem.data["errors"][0]["detail"], "is required");
        }
    }
}

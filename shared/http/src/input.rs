//! What came in: ids in the path, the query, the JSON body. Every input is bounded.

use lambda_http::{
    Request, RequestExt, aws_lambda_events::apigw::ApiGatewayV2httpRequestContext, request::RequestContext,
};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// No JSON body of this API needs more.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// What the gateway says of a request; nothing for one that came another way, which the template does not offer.
pub(crate) fn gateway(request: &impl RequestExt) -> Option<&ApiGatewayV2httpRequestContext> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => Some(context),
        _ => None,
    }
}

/// The route that the gateway matched (`GET /v1/me`).
pub fn route(request: &Request) -> &str {
    gateway(request).and_then(|context| context.route_key.as_deref()).unwrap_or_default()
}

/// A parameter of the query.
pub fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query_string_parameters_ref()?.first(name)
}

pub(crate) fn too_large() -> Problem {
    Problem::new(413, "too_large", "The body is larger than 64 KiB.")
}

/// Reads a JSON body. Errors with `413` for a body that is too large, and with `400` and a pointer for a field that is
/// missing or has the wrong type.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.len() > MAX_BODY_BYTES {
        return Err(too_large());
    }
    // serde_json does not check the UTF-8 of values that it skips.
    let text = str::from_utf8(bytes).map_err(|_| Problem::malformed("The body is not valid UTF-8."))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value: Object<T> = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let message = error.inner().to_string();
        let missing = missing_field(&message).map(|field| format!("/{field}")).unwrap_or_default();
        Problem::bad_field(&format!("{}{missing}", pointer(error.path())), shape(error.inner()))
    })?;
    reader.end().map_err(|_| Problem::malformed("There is more text after the JSON document."))?;
    Ok(value.0)
}

/// What is read from an object alone.
struct Object<T>(T);

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

/// For a field that is an object: what is derived would take a list as well, its items for the fields in their order.
///
/// # Errors
/// What `T` says of an object, and any other type.
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

/// For a field that may be absent (stays as it is) or null (goes): `Option<Option<T>>` with a default.
///
/// # Errors
/// What `T` says of another type.
pub fn nullable<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    serde::Deserialize::deserialize(deserializer).map(Some)
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// The name in serde's "missing field `x`": the path ends at the object that lacks it.
fn missing_field(said: &str) -> Option<&str> {
    said.strip_prefix("missing field `")?.split('`').next()
}

/// What serde says, without the values it may repeat.
fn shape(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data if missing_field(&error.to_string()).is_some() => "missing",
        serde_json::error::Category::Data => "of another type than expected",
        _ => "not JSON",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Wanted {
        #[allow(dead_code, reason = "read by serde alone")]
        #[serde(deserialize_with = "object")]
        to: To,
    }
    #[derive(Debug, serde::Deserialize)]
    struct To {
        #[allow(dead_code, reason = "read by serde alone")]
        number: String,
    }

    fn refused(text: &str) -> Problem {
        parse::<Wanted>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_bad_field_is_pointed_at_and_its_value_is_not_repeated() {
        let problem = refused(r#"{"to":{"number":12025550143}}"#);
        assert_eq!(problem.data["errors"][0]["pointer"], "/to/number");
        assert!(!problem.body("r").to_string().contains("0143"));
    }

    #[test]
    fn what_is_no_json_or_too_large_is_refused() {
        assert_eq!(refused("{").status, 400);
        assert_eq!(refused(r#"{"to":{"number":"1"}} x"#).status, 400);
        assert_eq!(refused(&" ".repeat(MAX_BODY_BYTES + 1)).status, 413);
    }

    #[test]
    fn bytes_that_are_no_letters_are_refused_also_where_nobody_reads() {
        for bytes in
            [&b"{\"to\":{\"number\":\"1\"},\"x\":\"\xff\"}"[..], b"{\"to\":{\"number\":\"1\"},\"\xff\":1}"]
        {
            let problem = parse::<Wanted>(bytes).unwrap_err();
            assert_eq!((problem.status, problem.code), (400, "malformed"));
        }
    }

    #[test]
    fn a_list_is_no_object_whose_fields_have_an_order() {
        assert_eq!(refused(r#"[{"number":"1"}]"#).status, 400);
        assert_eq!(refused(r#"{"to":["1"]}"#).data["errors"][0]["pointer"], "/to");
    }

    #[test]
    fn a_missing_field_is_pointed_at_where_it_should_be() {
        for (text, pointer) in [("{}", "/to"), (r#"{"to":{}}"#, "/to/number")] {
            let problem = refused(text);
            assert_eq!(problem.data["errors"][0]["pointer"], pointer);
            assert_eq!(problem.data["errors"][0]["detail"], "missing");
        }
    }
}

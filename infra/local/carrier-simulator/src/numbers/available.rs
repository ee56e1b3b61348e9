//! The search for available numbers. It is deterministic: a search returns the same numbers until one is
//! bought.
//!
//! A number consists of `+1`, an area code, an exchange, and a line from 2000 upward. Owned numbers are left
//! out. The area code comes from `AreaCode`, else from the start of `Contains`, else it is 202. The exchange
//! comes from `Contains`, else it is 555. Area code 999 and invalid area codes have no numbers. Other filters
//! (`SmsEnabled`, `InRegion`) are ignored, and US area codes are not distinguished from Canadian ones.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::Uri;
use serde_json::{Value, json};

use crate::Carrier;
use crate::failure::Failure;
use crate::form::Fields;
use crate::numbers::number::{is_code, national_format};
use crate::numbers::pattern::NumberPattern;
use crate::paging;

/// The number of results that Twilio returns, although it documents a default of 50.
const DEFAULT_SIZE: usize = 30;

/// An area code without numbers, to get an empty list.
const EMPTY_AREA: &str = "999";

/// `GET …/AvailablePhoneNumbers/{US or CA}/Local.json`.
pub(crate) async fn search(
    State(carrier): State<Arc<Carrier>>,
    Path((account, country)): Path<(String, String)>,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    carrier.check_account(&account, uri.path())?;
    if !matches!(country.as_str(), "US" | "CA") {
        return Err(Failure::not_found(uri.path()));
    }
    let pattern = query.get("Contains").map(NumberPattern::parse).transpose()?;
    let size = paging::size(&query, DEFAULT_SIZE)?;
    let resources = carrier.resources();
    let found: Vec<_> = numbers(query.get("AreaCode"), pattern.as_ref())
        .filter(|number| !resources.owns(number))
        .take(size)
        .map(|number| resource(&number, &country))
        .collect();
    Ok(Json(json!({
        "available_phone_numbers": found,
        "uri": uri.path_and_query().map_or(uri.path(), |whole| whole.as_str()),
    })))
}

/// The numbers that match the search, including owned ones.
fn numbers<'a>(
    area: Option<&str>,
    pattern: Option<&'a NumberPattern>,
) -> impl Iterator<Item = String> + use<'a> {
    let leading = pattern.map(|pattern| pattern.leading(area)).unwrap_or_default();
    let code = |from: usize| leading.get(from..from + 3).filter(|digits| is_code(digits));
    let area = area.or_else(|| code(0)).unwrap_or("202").to_owned();
    let exchange = exchange(leading.get(3..).unwrap_or_default());
    let lines = if is_code(&area) && area != EMPTY_AREA { 2000..10_000 } else { 0..0 };
    lines
        .map(move |line| format!("+1{area}{exchange}{line}"))
        .filter(move |number| pattern.is_none_or(|pattern| pattern.matches(number)))
}

/// The exchange at the start of a pattern, completed with fives.
fn exchange(leading: &str) -> String {
    let known: String = leading.chars().take(3).take_while(char::is_ascii_digit).collect();
    let exchange = format!("{known:5<3}");
    if is_code(&exchange) { exchange } else { "555".to_owned() }
}

/// The resource of the API. Only numbers in Washington have a place.
fn resource(number: &str, country: &str) -> Value {
    let washington = number.starts_with("+1202");
    let known = |value: &'static str| washington.then_some(value);
    json!({
        "address_requirements": "none",
        "beta": false,
        "capabilities": { "mms": true, "sms": true, "voice": true },
        "friendly_name": national_format(number),
        "iso_country": country,
        "lata": known("236"),
        "latitude": known("38.907200"),
        "locality": known("Washington"),
        "longitude": known("-77.036900"),
        "phone_number": number,
        "postal_code": known("20001"),
        "rate_center": known("WSHNGTNZN1"),
        "region": known("DC"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(area: Option<&str>, pattern: &str) -> Option<String> {
        let pattern = (!pattern.is_empty()).then(|| NumberPattern::parse(pattern).unwrap());
        numbers(area, pattern.as_ref()).next()
    }

    #[test]
    fn the_area_code_and_the_exchange_come_from_the_search() {
        let cases = [
            (None, "", Some("+12025552000")),
            (Some("415"), "", Some("+14155552000")),
            (Some("415"), "777", Some("+14157772000")),
            (Some("415"), "+1415777", Some("+14157772000")),
            (Some("202"), "+1415777", None),
            (None, "+1415", Some("+14155552000")),
            (None, "+14157", Some("+14157552000")),
            (None, "+12025553", Some("+12025553000")),
            (None, "415777****", Some("+14157772000")),
            (None, "415777**99", Some("+14157772099")),
            (Some("415"), "99$", Some("+14159952099")),
            (None, "+1202155", None),
            (Some("999"), "", None),
            (None, "+1999", None),
            (Some("102"), "", None),
            (Some("20"), "", None),
            (Some("éa"), "", None),
        ];
        for (area, pattern, expected) in cases {
            assert_eq!(first(area, pattern).as_deref(), expected, "{area:?} {pattern}");
        }
    }
}

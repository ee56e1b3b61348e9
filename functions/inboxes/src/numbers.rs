//! Numbers that can be bought, as the carrier offers them: by area code, and optionally by exchange.

use lambda_http::Request;
use shared_aws::team::UserProfile;
use shared_carriers::twilio::{AvailableNumber, CallError, Country, NumberSearch};
use shared_domain::{field::FieldErrors, membership::Role, phone::PhoneNumber};
use shared_http::{
    caller, input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{Page, inbox::AvailableNumberView, problem::ProblemView},
};

use crate::App;

/// What is offered instead of a number that is gone.
const SUGGESTIONS: u16 = 5;

/// Find a number
///
/// At the carrier, for admins of any team. `prefix` is the exchange (`555`), or area code and exchange (`202-555`).
/// Numbers are not reserved: another may buy one meanwhile.
#[utoipa::path(get, path = "/v1/numbers/available", tag = "inboxes",
    params(("areaCode" = Option<String>, Query, description = "Three digits"),
        ("prefix" = Option<String>, Query, description = "`NXX` or `NPA-NXX`"),
        ("country" = Option<String>, Query, description = "`US` (default) or `CA`"),
        ("limit" = Option<u16>, Query, description = "1 to 100, default 25")),
    responses((status = 200, body = Page<AvailableNumberView>), (status = 400, body = ProblemView),
        (status = 403, body = ProblemView), (status = 422, body = ProblemView),
        (status = 503, description = "The carrier does not answer", body = ProblemView)))]
pub(crate) async fn available(app: &App, request: &Request) -> Outcome {
    let caller = caller::user(request, &app.claims)?;
    let home = app.members.home(&caller.organization, &caller.user).await?;
    home.filter(manages_any)
        .ok_or_else(|| Problem::forbidden("admin_required", "Only admins of a team look for numbers."))?;
    let search = search(request)?;
    let found = app.carrier.search_numbers(&search).await.map_err(|error| carrier_problem(&error))?;
    let items = found.into_iter().take(usize::from(search.limit)).map(view).collect();
    reply::json(200, &Page::<AvailableNumberView> { items, next_cursor: None })
}

pub(crate) fn manages_any(home: &UserProfile) -> bool {
    home.user.owner || home.teams.iter().any(|role| role.role == Role::Admin)
}

fn search(request: &Request) -> Result<NumberSearch, Problem> {
    let mut errors = FieldErrors::default();
    let country = match input::query(request, "country").unwrap_or("US") {
        "US" => Country::UnitedStates,
        "CA" => Country::Canada,
        _ => {
            errors.add("?country", "US or CA");
            Country::UnitedStates
        }
    };
    let digits = |text: &str| text.chars().filter(|c| !matches!(c, '-' | ' ')).collect::<String>();
    let given = input::query(request, "areaCode").map(digits);
    let prefix = input::query(request, "prefix").map(digits).filter(|prefix| !prefix.is_empty());
    let (of_prefix, exchange) = match prefix {
        Some(prefix) if prefix.len() == 6 && prefix.is_ascii() => {
            (Some(prefix[..3].to_owned()), Some(prefix[3..].to_owned()))
        }
        exchange => (None, exchange),
    };
    let area_code = given.clone().or_else(|| of_prefix.clone());
    if area_code.is_none() {
        return Err(Problem::bad_field("?areaCode", "missing"));
    }
    let area_code = area_code.unwrap_or_default();
    if !is_code(&area_code) {
        errors.add("?areaCode", "three digits, the first from 2 to 9");
    }
    let contradicts = given.is_some() && of_prefix.is_some_and(|code| code != area_code);
    if exchange.as_deref().is_some_and(|exchange| !is_code(exchange)) || contradicts {
        errors.add("?prefix", "three digits, the first from 2 to 9, or the area code and these");
    }
    errors.finish()?;
    Ok(NumberSearch { country, area_code, exchange, limit: input::limit(request)? })
}

/// An area code or exchange of the North American plan.
fn is_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit()) && text.as_bytes()[0] >= b'2'
}

fn view(number: AvailableNumber) -> AvailableNumberView {
    AvailableNumberView {
        phone_number: number.phone_number,
        friendly_name: number.friendly_name,
        locality: number.locality,
        region: number.region,
        mms: number.mms,
        voice: number.voice,
    }
}

/// Somebody else has this number by now: `409` with others like it, if the carrier tells any.
pub(crate) async fn unavailable(app: &App, wanted: &PhoneNumber) -> Problem {
    let suggestions = suggestions(app, wanted).await;
    let suggestions = serde_json::to_value(suggestions).unwrap_or_default();
    Problem::new(409, "number_unavailable", "This number is no longer available; choose another.")
        .with_error("/phoneNumber", "no longer available")
        .with("suggestions", suggestions)
}

/// Of the same exchange, or else of the same area.
async fn suggestions(app: &App, wanted: &PhoneNumber) -> Vec<AvailableNumberView> {
    let Some(national) = wanted.as_str().strip_prefix("+1").filter(|national| national.len() == 10) else {
        return Vec::new();
    };
    for exchange in [Some(national[3..6].to_owned()), None] {
        let search = NumberSearch {
            country: Country::UnitedStates,
            area_code: national[..3].to_owned(),
            exchange,
            limit: SUGGESTIONS,
        };
        match app.carrier.search_numbers(&search).await {
            Ok(found) if found.is_empty() => {}
            Ok(found) => return found.into_iter().take(usize::from(SUGGESTIONS)).map(view).collect(),
            Err(error) => {
                tracing::warn!(%error, "no suggestions");
                break;
            }
        }
    }
    Vec::new()
}

/// The carrier did not do what was asked.
pub(crate) fn carrier_problem(error: &CallError) -> Problem {
    let cause = Some(error.to_string());
    match error {
        CallError::Unavailable | CallError::Unknown => Problem {
            retry_after: Some(5),
            cause,
            ..Problem::new(
                503,
                "carrier_unavailable",
                "The carrier does not answer; nothing was changed, try again.",
            )
        },
        CallError::Refused { .. } => Problem {
            cause,
            ..Problem::new(503, "carrier_refused", "The carrier refused; an operator has to look into it.")
        },
    }
}

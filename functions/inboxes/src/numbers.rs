//! Numbers that can be bought, as the carrier offers them: by area code, and optionally by prefix.

use axum::extract::{FromRequestParts, State};
use lambda_http::http::request::Parts;
use shared_aws::team::UserProfile;
use shared_carriers::twilio::{AvailableNumber, CallError, Country, NumberSearch};
use shared_domain::{field::FieldErrors, membership::Role, phone::PhoneNumber};
use shared_http::{
    caller::UserCaller,
    json::Json,
    page::Limit,
    problem::Problem,
    request::Query,
    wire::{Page, inbox::AvailableNumberView, problem::NumberUnavailable, values},
};

use crate::App;

/// How many numbers are suggested in place of one that is no longer available.
const MAX_SUGGESTIONS: u16 = 5;

/// Search for a number
///
/// Asks the carrier for numbers that can be bought. For team admins and the organization's owner. `prefix` is
/// the exchange (`555`), or the area code and the exchange (`202-555`). Numbers are not reserved: another
/// customer of the carrier can buy one before you do.
#[utoipa::path(get, path = "/v1/numbers/available", tag = "inboxes", operation_id = "listAvailableNumbers",
    params(("areaCode" = Option<String>, Query, description = "Three digits"),
        ("prefix" = Option<String>, Query, description = "`NXX` or `NPA-NXX`"),
        ("country" = Option<values::Country>, Query, description = "Default: `US`"),
        ("limit" = Option<u16>, Query, description = "1 to 100, default 25")),
    responses((status = 200, body = Page<AvailableNumberView>)),
    extensions(("x-errors" = json!(["admin_required", "invalid_fields", "carrier_refused",
        "carrier_unavailable"]))))]
pub(crate) async fn search(
    State(app): State<App>,
    _: AnyTeamAdmin,
    query: Query,
    Limit(limit): Limit,
) -> Result<Json<Page<AvailableNumberView>>, Problem> {
    let search = number_search(&query, limit)?;
    let found = app.carrier.search_numbers(&search).await.map_err(|error| carrier_problem(&error))?;
    Ok(Json(Page::complete(found.into_iter().take(usize::from(search.limit)).map(view))))
}

/// The caller as an admin of any team, or as the organization's owner. `403` for everyone else.
pub(crate) struct AnyTeamAdmin {
    pub(crate) caller: UserCaller,
    pub(crate) profile: UserProfile,
}

impl FromRequestParts<App> for AnyTeamAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = UserCaller::from_request_parts(parts, app).await?;
        let profile = app.members.profile(&caller.organization, &caller.user).await?;
        let is_admin = |profile: &UserProfile| {
            profile.user.owner || profile.teams.iter().any(|role| role.role == Role::Admin)
        };
        let profile = profile.filter(is_admin).ok_or_else(Problem::admin_required)?;
        Ok(Self { caller, profile })
    }
}

fn number_search(query: &Query, limit: u16) -> Result<NumberSearch, Problem> {
    let mut errors = FieldErrors::default();
    let country = match query.get("country").unwrap_or("US") {
        "US" => Country::UnitedStates,
        "CA" => Country::Canada,
        _ => {
            errors.add("?country", "US or CA");
            Country::UnitedStates
        }
    };
    let digits = |text: &str| text.chars().filter(|c| !matches!(c, '-' | ' ')).collect::<String>();
    let given = query.get("areaCode").map(digits);
    let prefix = query.get("prefix").map(digits).filter(|prefix| !prefix.is_empty());
    let (of_prefix, exchange) = match prefix {
        Some(prefix) if prefix.len() == 6 && prefix.is_ascii() => {
            (Some(prefix[..3].to_owned()), Some(prefix[3..].to_owned()))
        }
        exchange => (None, exchange),
    };
    let Some(area_code) = given.clone().or_else(|| of_prefix.clone()) else {
        return Err(Problem::bad_field("?areaCode", "an area code, such as 202"));
    };
    if !is_code(&area_code) {
        errors.add("?areaCode", "three digits, the first from 2 to 9");
    }
    let contradicts = given.is_some() && of_prefix.is_some_and(|code| code != area_code);
    if exchange.as_deref().is_some_and(|exchange| !is_code(exchange)) || contradicts {
        errors
            .add("?prefix", "three digits, the first from 2 to 9, or the area code followed by these three");
    }
    errors.finish()?;
    Ok(NumberSearch { country, area_code, exchange, limit })
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

/// The number was bought by someone else: `409`, with similar numbers if the carrier offers any.
pub(crate) async fn unavailable(app: &App, wanted: &PhoneNumber) -> Problem {
    let suggestions = suggestions(app, wanted).await;
    Problem::new(409, "number_unavailable", "This number is no longer available. Choose another one.")
        .with_error("/phoneNumber", "no longer available")
        .with_data(NumberUnavailable { suggestions })
}

/// Numbers with the same prefix, or else with the same area code.
async fn suggestions(app: &App, wanted: &PhoneNumber) -> Vec<AvailableNumberView> {
    let Some(national) = wanted.as_str().strip_prefix("+1").filter(|national| national.len() == 10) else {
        return Vec::new();
    };
    for exchange in [Some(national[3..6].to_owned()), None] {
        let search = NumberSearch {
            country: Country::UnitedStates,
            area_code: national[..3].to_owned(),
            exchange,
            limit: MAX_SUGGESTIONS,
        };
        match app.carrier.search_numbers(&search).await {
            Ok(found) if found.is_empty() => {}
            Ok(found) => return found.into_iter().take(usize::from(MAX_SUGGESTIONS)).map(view).collect(),
            Err(error) => {
                tracing::warn!(event = "number_search_failed", %error, "number search failed");
                break;
            }
        }
    }
    Vec::new()
}

/// A failed call to the carrier.
pub(crate) fn carrier_problem(error: &CallError) -> Problem {
    let cause = Some(error.to_string());
    match error {
        CallError::Unavailable | CallError::Unknown => Problem {
            retry_after: Some(5),
            cause,
            ..Problem::new(
                503,
                "carrier_unavailable",
                "The carrier is not responding. Nothing was changed. Try again.",
            )
        },
        CallError::Refused { .. } => Problem {
            cause,
            ..Problem::new(503, "carrier_refused", "The carrier refused the request. Contact your operator.")
        },
    }
}

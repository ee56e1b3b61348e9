//! The contacts in a static segment.

use std::collections::BTreeSet;

use axum::extract::State;
use shared_domain::{
    audience::SegmentKind, field::FieldError, ids::ContactId, phone::PhoneNumber, time::Timestamp,
};
use shared_http::{
    access::TeamAccess,
    json::Json,
    problem::Problem,
    request::Now,
    wire::segment::{AddedContacts, RemovedContacts, SegmentContacts},
};

use crate::{App, SegmentInPath, find};

/// The maximum number of contacts in a request.
const MAX_CONTACTS: usize = 1_000;
/// How often a segment is counted again because it changed at the same time.
const ATTEMPTS: usize = 5;

/// Put contacts into a segment
///
/// For the team's members. Only for static segments. Contacts that are in it already stay.
#[utoipa::path(post, path = "/v1/teams/{teamId}/segments/{segmentId}/contacts",
    tag = "segments", operation_id = "addSegmentContacts",
    params(("teamId" = String, Path), ("segmentId" = String, Path)),
    request_body = SegmentContacts,
    responses((status = 200, body = AddedContacts)),
    extensions(("x-errors" = json!(["segment_not_static", "invalid_fields"]))))]
pub(crate) async fn add(
    State(app): State<App>,
    target: SegmentInPath,
    Now(now): Now,
    Json(body): Json<SegmentContacts>,
) -> Result<Json<AddedContacts>, Problem> {
    let (found, missing) = resolve(&app, &target, &body).await?;
    let SegmentInPath { access, segment } = &target;
    let added = app.segments.add_contacts(&access.organization, &segment.value.id, &found).await?;
    recount(&app, &target, now).await?;
    Ok(Json(AddedContacts { added, missing }))
}

/// Take contacts out of a segment
///
/// For the team's members. Only for static segments. Contacts that are not in it are ignored.
#[utoipa::path(delete, path = "/v1/teams/{teamId}/segments/{segmentId}/contacts",
    tag = "segments", operation_id = "removeSegmentContacts",
    params(("teamId" = String, Path), ("segmentId" = String, Path)),
    request_body = SegmentContacts,
    responses((status = 200, body = RemovedContacts)),
    extensions(("x-errors" = json!(["segment_not_static", "invalid_fields"]))))]
pub(crate) async fn take_out(
    State(app): State<App>,
    target: SegmentInPath,
    Now(now): Now,
    Json(body): Json<SegmentContacts>,
) -> Result<Json<RemovedContacts>, Problem> {
    let (found, missing) = resolve(&app, &target, &body).await?;
    let SegmentInPath { access, segment } = &target;
    app.segments.remove_contacts(&access.organization, &segment.value.id, &found).await?;
    recount(&app, &target, now).await?;
    Ok(Json(RemovedContacts { missing }))
}

/// Counts the contacts of the segment. The count of a request that was overtaken by another one is not
/// stored, and it counts again: the count that is stored last has the contacts of both.
async fn recount(app: &App, target: &SegmentInPath, now: Timestamp) -> Result<(), Problem> {
    let SegmentInPath { access, segment } = target;
    for _ in 0..ATTEMPTS {
        let before = find(app, access, &segment.value.id).await?;
        let count = app.segments.count_contacts(&access.organization, &before.value.id).await?;
        if app.segments.set_count(access.team_key(), &before, count, now).await? {
            return Ok(());
        }
    }
    Ok(()) // a request that overtook it twice counted after its contacts were stored
}

/// Returns the contacts that a request names, each once, and what names no contact.
async fn resolve(
    app: &App,
    target: &SegmentInPath,
    body: &SegmentContacts,
) -> Result<(Vec<ContactId>, Vec<String>), Problem> {
    let SegmentInPath { access, segment } = target;
    if segment.value.kind != SegmentKind::Static {
        let detail = "The contacts of this segment come from its filter. Change the filter.";
        return Err(Problem::new(409, "segment_not_static", detail));
    }
    let SegmentContacts { contact_ids, external_ids, phone_numbers } = body;
    if contact_ids.len() + external_ids.len() + phone_numbers.len() > MAX_CONTACTS {
        return Err(FieldError::new("", "at most 1,000 contacts in total").into());
    }
    let numbers = parse_numbers(phone_numbers)?;
    let mut found = BTreeSet::new();
    let mut missing = existing(app, access, contact_ids, &mut found).await?;
    let by_external_id = app.contacts.ids_by_external_id(access.team_key(), external_ids).await?;
    for id in external_ids {
        match by_external_id.get(id) {
            Some(contact) => drop(found.insert(contact.clone())),
            None => missing.push(id.clone()),
        }
    }
    let by_number = app.contacts.ids_by_number(access.team_key(), &numbers).await?;
    for (number, text) in numbers.iter().zip(phone_numbers) {
        match by_number.get(number) {
            Some(contact) => drop(found.insert(contact.clone())),
            None => missing.push(text.clone()),
        }
    }
    Ok((found.into_iter().collect(), missing))
}

fn parse_numbers(texts: &[String]) -> Result<Vec<PhoneNumber>, Problem> {
    let parse = |(index, text): (usize, &String)| {
        PhoneNumber::parse(text)
            .map_err(|_| FieldError::new(format!("/phoneNumbers/{index}"), "a phone number"))
    };
    let (numbers, errors): (Vec<_>, Vec<_>) = texts.iter().enumerate().map(parse).partition(Result::is_ok);
    if errors.is_empty() {
        Ok(numbers.into_iter().filter_map(Result::ok).collect())
    } else {
        Err(errors.into_iter().filter_map(Result::err).collect::<Vec<_>>().into())
    }
}

/// Adds the contacts that exist to `found`, and returns the other ids.
async fn existing(
    app: &App,
    access: &TeamAccess,
    ids: &[String],
    found: &mut BTreeSet<ContactId>,
) -> Result<Vec<String>, Problem> {
    let parsed: Vec<_> = ids.iter().filter_map(|id| ContactId::parse(id).ok()).collect();
    let entries = app.contacts.get_entries(access.team_key(), &parsed).await?;
    found.extend(entries.into_iter().map(|entry| entry.contact.id));
    let is_missing = |id: &&String| !found.iter().any(|contact| contact.as_str() == id.as_str());
    Ok(ids.iter().filter(is_missing).cloned().collect())
}

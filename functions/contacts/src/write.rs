//! Creating, editing and removing contacts.

use axum::{extract::State, http::StatusCode, response::NoContent};
use shared_aws::contact::{ContactEntry, ContactWrite};
use shared_domain::{
    contact::Contact,
    ids::{self, ContactId, Id},
    notification::{Notification, NotificationKind},
    phone::PhoneNumber,
    time::Timestamp,
};
use shared_http::{
    access::TeamAccess,
    idempotency::Attempt,
    json::{Json, KeyedJson},
    problem::Problem,
    request::{Entropy, KnownParameters, Now, PathId},
    wire::contact::{ContactChange, ContactView, NewContact},
};

use crate::{
    App, changed,
    details::Fields,
    find::{self, ContactInPath},
};

fn external_id_taken() -> Problem {
    Problem::new(409, "external_id_taken", "Another contact of the team already has this external ID.")
        .with_error("/externalId", "already in use")
}

/// Create a contact
///
/// For the team's members. A number that has sent messages before keeps its history, opt-out and block.
#[utoipa::path(post, path = "/v1/teams/{teamId}/contacts", tag = "contacts", operation_id = "createContact",
    params(("teamId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = NewContact,
    responses((status = 201, body = ContactView)),
    extensions(("x-errors" = json!(["external_id_taken", "invalid_fields"]))))]
pub(crate) async fn create(
    State(app): State<App>,
    access: TeamAccess,
    Now(now): Now,
    Entropy(entropy): Entropy,
    KeyedJson { body, key }: KeyedJson<NewContact>,
) -> Result<(StatusCode, Json<ContactView>), Problem> {
    let app = &app;
    let attempt = Attempt {
        organization: &access.organization,
        principal: access.principal.clone(),
        route: format!("contacts {}", access.team()),
        key,
    };
    if let Some(id) = attempt.recalled(&app.keys, now).await? {
        return created_before(app, &access, &id).await;
    }
    let mut fields = Fields::default();
    let first_name = fields.name("/firstName", body.first_name.as_deref());
    let last_name = fields.name("/lastName", body.last_name.as_deref());
    let external_id = fields.external_id(body.external_id.as_deref());
    let number = fields.number(&body.mobile_number);
    let assigned = fields.assigned(app, &access, body.assigned_user_id.as_deref()).await?;
    let custom = fields.custom(&body.custom);
    let tags = fields.tags(&body.tags);
    fields.finish()?;
    let number = number.ok_or_else(changed)?;
    let provisional = provisional(app, &access, &number).await?;
    // A keyword reply may have added tags before.
    let all_tags = provisional.as_ref().and_then(|entry| tags.with(&entry.tags));
    let tags = all_tags.unwrap_or(tags);
    let contact = Contact {
        id: Id::new(now, entropy),
        external_id,
        first_name,
        last_name,
        assigned,
        opted_out: false,
        blocked: false,
        provisional: false,
        number,
    };
    let entry = ContactEntry { custom, tags, created_at: Some(now), ..ContactEntry::new(contact) };
    let key = attempt.idempotency().map(|key| (key, now));
    let written = app.contacts.write(access.team_key(), None, &entry, key).await?;
    match written {
        ContactWrite::Done => {}
        ContactWrite::ExternalIdTaken => return Err(external_id_taken()),
        ContactWrite::Changed => return Err(changed()),
        ContactWrite::KeyTaken => {
            let id = attempt.recalled(&app.keys, now).await?.ok_or_else(changed)?;
            return created_before(app, &access, &id).await;
        }
    }
    if let Some(provisional) = provisional {
        remove_provisional(app, &access, provisional, &entry.contact.id).await?;
    }
    app.contacts.sync_conversations(access.team_key(), &entry.contact.number).await?;
    notify_team(app, &access, &entry.contact, now).await?;
    // Read again, because the number may be opted out or blocked.
    let entry = find::get(app, &access, &entry.contact.id).await?;
    Ok((StatusCode::CREATED, Json(ContactView::of(&entry))))
}

/// The provisional contact of a number that sent messages before it was created.
async fn provisional(
    app: &App,
    access: &TeamAccess,
    number: &PhoneNumber,
) -> Result<Option<ContactEntry>, Problem> {
    let id = ContactId::provisional(access.team(), number);
    let entry = app.contacts.get_entry(access.team_key(), &id).await?;
    Ok(entry.filter(|entry| entry.contact.provisional))
}

/// Removes the provisional contact of a number that was added. Tags that it got since it was read go to the
/// contact that was added.
async fn remove_provisional(
    app: &App,
    access: &TeamAccess,
    mut known: ContactEntry,
    added: &ContactId,
) -> Result<(), Problem> {
    for _ in 0..3 {
        if app.contacts.remove(access.team_key(), &known).await? {
            break;
        }
        let newer = provisional(app, access, &known.contact.number).await?;
        let added = app.contacts.get_entry(access.team_key(), added).await?;
        let (Some(newer), Some(before)) = (newer, added) else { break };
        let tags = before.tags.with(&newer.tags).unwrap_or_else(|| before.tags.clone());
        let after = ContactEntry { tags, ..before.clone() };
        if app.contacts.write(access.team_key(), Some(&before), &after, None).await? == ContactWrite::Done {
            known = newer;
        }
    }
    Ok(())
}

async fn created_before(
    app: &App,
    access: &TeamAccess,
    id: &str,
) -> Result<(StatusCode, Json<ContactView>), Problem> {
    let id = ContactId::parse(id).map_err(|_| Problem::not_found())?;
    let entry = app.contacts.get_entry(access.team_key(), &id).await?.ok_or_else(Problem::not_found)?;
    app.contacts.sync_conversations(access.team_key(), &entry.contact.number).await?;
    Ok((StatusCode::CREATED, Json(ContactView::of(&entry))))
}

/// Queues one notification per contact, if the team wants it.
async fn notify_team(
    app: &App,
    access: &TeamAccess,
    contact: &Contact,
    now: Timestamp,
) -> Result<(), Problem> {
    let by = access.caller.user.id.clone();
    let subject = NotificationKind::ContactAdded { contact: contact.id.clone(), by };
    if !app.teams.wants_notification(access.team_key(), &subject).await? {
        return Ok(());
    }
    let notice = Notification {
        id: format!("contact-added-{}", contact.id),
        organization: access.organization.clone(),
        team: Some(access.team().clone()),
        subject,
        at: now,
        admins: Vec::new(),
    };
    Ok(app.notices.enqueue(&notice).await?)
}

/// Edit a contact
///
/// For the team's members. Absent fields keep their values, null clears them. A new number starts a new
/// conversation; the old one keeps its history.
#[utoipa::path(patch, path = "/v1/teams/{teamId}/contacts/{contactId}",
    tag = "contacts", operation_id = "updateContact",
    params(("teamId" = String, Path), ("contactId" = String, Path)),
    request_body = ContactChange,
    responses((status = 200, body = ContactView)),
    extensions(("x-errors" = json!(["external_id_taken", "invalid_fields"]))))]
pub(crate) async fn update(
    State(app): State<App>,
    access: TeamAccess,
    ContactInPath(mut before): ContactInPath,
    Now(now): Now,
    Json(change): Json<ContactChange>,
) -> Result<Json<ContactView>, Problem> {
    let app = &app;
    for _ in 0..3 {
        let after = changed_by(app, &access, &before, &change).await?;
        match app.contacts.write(access.team_key(), Some(&before), &after, None).await? {
            ContactWrite::Done => {
                let (contact, former) = (&after.contact, &before.contact.number);
                let is_moved = *former != contact.number;
                if is_moved {
                    let user = &access.caller.user.id;
                    app.opt_out.follow_number(access.team_key(), contact, former, user, now).await?;
                }
                if let Some(blocked) = change.blocked {
                    app.opt_outs.set_blocked(access.team_key(), &contact.number, blocked).await?;
                }
                app.contacts.sync_conversations(access.team_key(), &contact.number).await?;
                if is_moved {
                    app.contacts.sync_conversations(access.team_key(), former).await?;
                }
                return Ok(Json(ContactView::of(&find::get(app, &access, &contact.id).await?)));
            }
            ContactWrite::ExternalIdTaken => return Err(external_id_taken()),
            ContactWrite::Changed | ContactWrite::KeyTaken => {}
        }
        before = find::get(app, &access, &before.contact.id).await?;
    }
    Err(changed())
}

async fn changed_by(
    app: &App,
    access: &TeamAccess,
    before: &ContactEntry,
    change: &ContactChange,
) -> Result<ContactEntry, Problem> {
    let mut fields = Fields::default();
    let mut after = ContactEntry { version: before.version + 1, ..before.clone() };
    let contact = &mut after.contact;
    if let Some(name) = &change.first_name {
        contact.first_name = fields.name("/firstName", name.as_deref());
    }
    if let Some(name) = &change.last_name {
        contact.last_name = fields.name("/lastName", name.as_deref());
    }
    if let Some(id) = &change.external_id {
        contact.external_id = fields.external_id(id.as_deref());
    }
    if let Some(number) = change.mobile_number.as_deref().and_then(|text| fields.number(text)) {
        contact.number = number;
    }
    if let Some(user) = &change.assigned_user_id {
        contact.assigned = fields.assigned(app, access, user.as_deref()).await?;
    }
    let of_number = ContactId::provisional(access.team(), &before.contact.number);
    if before.contact.id == of_number && contact.number != before.contact.number {
        fields.error("/mobileNumber", "the number of the messages; create a new contact for another number");
    }
    contact.provisional = false;
    if let Some(custom) = &change.custom {
        after.custom = fields.custom(custom);
    }
    if let Some(tags) = &change.tags {
        after.tags = fields.tags(tags);
    }
    fields.finish()?;
    Ok(after)
}

/// Remove a contact
///
/// For the team's members. Its conversations keep their history and show another contact with the number, or
/// the number alone. The number keeps its opt-out and block.
#[utoipa::path(delete, path = "/v1/teams/{teamId}/contacts/{contactId}",
    tag = "contacts", operation_id = "deleteContact",
    params(("teamId" = String, Path), ("contactId" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn remove(
    State(app): State<App>,
    access: TeamAccess,
    PathId(id): PathId<ids::kind::Contact>,
    Now(now): Now,
    _: KnownParameters,
) -> Result<NoContent, Problem> {
    let team = access.team_key();
    for _ in 0..3 {
        let number = match app.contacts.get_entry(team, &id).await? {
            Some(entry) => {
                let is_removed = app.contacts.begin_removal(team, &entry, now).await?;
                is_removed.then_some(entry.contact.number)
            }
            // An earlier request may have ended between the two steps.
            None => Some(app.contacts.unfinished_removal(team, &id).await?.ok_or_else(Problem::not_found)?),
        };
        if let Some(number) = number {
            app.contacts.finish_removal(team, &id, &number).await?;
            return Ok(NoContent);
        }
    }
    Err(changed())
}

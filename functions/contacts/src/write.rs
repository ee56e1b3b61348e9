//! Entering, changing and removing contacts.

use lambda_http::Request;
use shared_aws::contact::{ContactEntry, ContactWrite};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, Id},
    notice::{Notification, NotificationKind},
    opt_out::OptOutSubject,
    time::Timestamp,
};
use shared_http::{
    access::{self, TeamAccess},
    idempotency::{self, Attempt},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        contact::{ContactChange, ContactView, NewContact},
        problem::ProblemView,
    },
};

use crate::{App, changed, details::Checks, find::in_path};

fn external_id_taken() -> Problem {
    Problem::new(409, "external_id_taken", "Another contact of the team has this id.")
        .with_error("/externalId", "taken")
}

/// Enter a contact
///
/// By any member of the team. A number that texted in before keeps its history, opt-out and block.
#[utoipa::path(post, path = "/v1/teams/{teamId}/contacts", tag = "contacts",
    params(("teamId" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = NewContact,
    responses((status = 201, body = ContactView), (status = 400, body = ProblemView), (status = 404, body = ProblemView),
        (status = 409, description = "`external_id_taken`", body = ProblemView), (status = 422, body = ProblemView)))]
pub(crate) async fn create(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    let wanted: NewContact = input::body(request)?;
    let attempt = Attempt {
        organization: &access.organization,
        principal: access.principal.clone(),
        route: format!("contacts {}", access.team()),
        key: idempotency::key(request)?,
    };
    if let Some(made) = attempt.recalled(&app.keys, now).await? {
        return made_before(app, &access, &made).await;
    }
    let mut checks = Checks::default();
    let first_name = checks.name("/firstName", wanted.first_name.as_deref());
    let last_name = checks.name("/lastName", wanted.last_name.as_deref());
    let external_id = checks.external_id(wanted.external_id.as_deref());
    let number = checks.number(&wanted.mobile_number);
    let assigned = checks.assigned(app, &access, wanted.assigned_user_id.as_deref()).await?;
    let custom = checks.custom(wanted.custom);
    checks.finish()?;
    let number = number.ok_or_else(changed)?;
    let before = met_before(app, &access, &number).await?;
    let contact = Contact {
        id: Id::new(now, entropy),
        external_id,
        first_name,
        last_name,
        assigned,
        opted_out: is_out(app, &access, &number).await?,
        blocked: before.as_ref().is_some_and(|met| met.contact.blocked),
        provisional: false,
        number,
    };
    let entry = ContactEntry { contact, custom, version: 1 };
    let key = attempt.idempotency().map(|key| (key, now));
    let written = app.book.write(&access.organization, access.team(), None, &entry, key).await?;
    match written {
        ContactWrite::Done => {}
        ContactWrite::ExternalIdTaken => return Err(external_id_taken()),
        ContactWrite::Changed => return Err(changed()),
        ContactWrite::KeyTaken => {
            let made = attempt.recalled(&app.keys, now).await?.ok_or_else(changed)?;
            return made_before(app, &access, &made).await;
        }
    }
    if let Some(met) = before {
        app.book.remove(&access.organization, access.team(), &met).await?;
    }
    app.copies.sync_copies(&access.organization, access.team(), &entry.contact).await?;
    tell(app, &access, &entry.contact, now).await?;
    reply::json(201, &ContactView::of(&entry))
}

/// An opt-out is a number's, whoever has it.
async fn is_out(
    app: &App,
    access: &TeamAccess,
    number: &shared_domain::phone::PhoneNumber,
) -> Result<bool, Problem> {
    let subject = OptOutSubject::of_team(&access.organization, access.team(), number);
    Ok(app.opt_outs.any_out(&[subject]).await?)
}

/// A number that texted in before anybody knew it.
async fn met_before(
    app: &App,
    access: &TeamAccess,
    number: &shared_domain::phone::PhoneNumber,
) -> Result<Option<ContactEntry>, Problem> {
    let id = ContactId::provisional(access.team(), number);
    let met = app.book.get(&access.organization, access.team(), &id).await?;
    Ok(met.filter(|met| met.contact.provisional))
}

async fn made_before(app: &App, access: &TeamAccess, made: &str) -> Outcome {
    let id = ContactId::parse(made).map_err(|_| Problem::not_found())?;
    let entry =
        app.book.get(&access.organization, access.team(), &id).await?.ok_or_else(Problem::not_found)?;
    app.copies.sync_copies(&access.organization, access.team(), &entry.contact).await?;
    reply::json(201, &ContactView::of(&entry))
}

/// Told once, by the contact's id, and only where the team wants it.
async fn tell(app: &App, access: &TeamAccess, contact: &Contact, now: Timestamp) -> Result<(), Problem> {
    let by = access.standing.user.id.clone();
    let subject = NotificationKind::ContactAdded { contact: contact.id.clone(), by };
    if !app.teams.wants(&access.organization, access.team(), &subject).await? {
        return Ok(());
    }
    let notice = Notification {
        id: format!("contact-added-{}", contact.id),
        organization: access.organization.clone(),
        team: access.team().clone(),
        subject,
        at: now,
        admins: Vec::new(),
    };
    Ok(app.notices.enqueue(&notice).await?)
}

/// Change a contact
///
/// By any member of the team. Another number begins another conversation; the old one keeps its history.
#[utoipa::path(patch, path = "/v1/teams/{teamId}/contacts/{contactId}", tag = "contacts",
    params(("teamId" = String, Path), ("contactId" = String, Path)), request_body = ContactChange,
    responses((status = 200, body = ContactView), (status = 400, body = ProblemView), (status = 404, body = ProblemView),
        (status = 409, description = "`external_id_taken`", body = ProblemView), (status = 422, body = ProblemView)))]
pub(crate) async fn change(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    in_path(app, &access, request).await?; // decided before the shape of the body
    let wanted: ContactChange = input::body(request)?;
    for _ in 0..3 {
        let before = in_path(app, &access, request).await?;
        let after = changed_by(app, &access, &before, &wanted).await?;
        match app.book.write(&access.organization, access.team(), Some(&before), &after, None).await? {
            ContactWrite::Done => {
                app.copies.sync_copies(&access.organization, access.team(), &after.contact).await?;
                if before.contact.number != after.contact.number {
                    leave_behind(app, &access, &before.contact).await?;
                }
                return reply::json(200, &ContactView::of(&after));
            }
            ContactWrite::ExternalIdTaken => return Err(external_id_taken()),
            ContactWrite::Changed | ContactWrite::KeyTaken => {}
        }
    }
    Err(changed())
}

async fn changed_by(
    app: &App,
    access: &TeamAccess,
    before: &ContactEntry,
    wanted: &ContactChange,
) -> Result<ContactEntry, Problem> {
    let mut checks = Checks::default();
    let mut after = ContactEntry { version: before.version + 1, ..before.clone() };
    let contact = &mut after.contact;
    if let Some(name) = &wanted.first_name {
        contact.first_name = checks.name("/firstName", name.as_deref());
    }
    if let Some(name) = &wanted.last_name {
        contact.last_name = checks.name("/lastName", name.as_deref());
    }
    if let Some(id) = &wanted.external_id {
        contact.external_id = checks.external_id(id.as_deref());
    }
    if let Some(number) = wanted.mobile_number.as_deref().and_then(|text| checks.number(text)) {
        contact.number = number;
    }
    if let Some(user) = &wanted.assigned_user_id {
        contact.assigned = checks.assigned(app, access, user.as_deref()).await?;
    }
    let of_number = ContactId::provisional(access.team(), &before.contact.number);
    if before.contact.id == of_number && contact.number != before.contact.number {
        checks.fault("/mobileNumber", "the number that texted in: enter a new contact for another one");
    }
    if contact.number != before.contact.number {
        contact.opted_out = is_out(app, access, &contact.number).await?;
    }
    contact.blocked = wanted.blocked.unwrap_or(contact.blocked);
    contact.provisional = false;
    if let Some(custom) = &wanted.custom {
        after.custom = checks.custom(custom.clone());
    }
    checks.finish()?;
    Ok(after)
}

/// A number that this contact has no more.
async fn leave_behind(app: &App, access: &TeamAccess, old: &Contact) -> Result<(), Problem> {
    let (organization, team) = (&access.organization, access.team());
    let kept = (old.opted_out, old.blocked);
    Ok(app.former_numbers.release(organization, team, &old.id, &old.number, kept).await?)
}

/// Remove a contact
///
/// By any member of the team. The history of its conversations stays, and so do an opt-out and a block of the number.
#[utoipa::path(delete, path = "/v1/teams/{teamId}/contacts/{contactId}", tag = "contacts",
    params(("teamId" = String, Path), ("contactId" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemView),
        (status = 409, description = "`contact_provisional`: a number that opted out or is blocked stays", body = ProblemView)))]
pub(crate) async fn remove(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    for _ in 0..3 {
        let entry = in_path(app, &access, request).await?;
        let contact = &entry.contact;
        if contact.provisional && (contact.opted_out || contact.blocked) {
            return Err(Problem::new(
                409,
                "contact_provisional",
                "This number opted out or is blocked; forgetting that would let it be texted again.",
            ));
        }
        if app.book.remove(&access.organization, access.team(), &entry).await? {
            leave_behind(app, &access, contact).await?;
            return reply::no_content();
        }
    }
    Err(changed())
}

//! Validates the input of the creation wizard, field by field.

use shared_domain::{
    field::{FieldError, FieldErrors},
    ids::{OrganizationId, UserId},
    inbox::{Inbox, InboxKind},
    membership::Membership,
    phone::{self, PhoneNumber, PhoneNumberError},
    registration::RegistrationStatus,
    settings,
    user::UserRef,
};
use shared_http::{
    access::TeamAccess,
    problem::Problem,
    wire::{inbox::NewInbox, problem::RegistrationIncomplete},
};

use crate::{App, numbers::carrier_problem};

/// The items of all members must fit into one transaction.
const MAX_MEMBERS: usize = 40;

/// Valid input for a new inbox.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The user of a personal inbox. `None` for a shared one.
    pub owner: Option<UserRef>,
    pub name: String,
    pub color: String,
    /// `None`: derive a code from the name.
    pub api_code: Option<String>,
    pub number: PhoneNumber,
    /// The carrier's ID of the number if the account owns it already.
    pub adopted: Option<String>,
    pub voice_forwarding: Option<PhoneNumber>,
    /// In addition to the creator.
    pub members: Vec<UserRef>,
}

/// Validates all fields. Members can be selected only once the team's registration is complete.
pub(crate) async fn validate(app: &App, access: &TeamAccess, input: NewInbox) -> Result<Draft, Problem> {
    let registration = access.caller.team.registration;
    let is_personal = input.kind == Some(InboxKind::Personal);
    if !is_personal && !input.member_ids.is_empty() && !registration.is_complete() {
        return Err(registration_incomplete(Some(registration)));
    }
    let mut errors = FieldErrors::default();
    let owner = owner(app, access, &input, &mut errors).await?;
    let (name, color) = match &owner {
        Some(owner) => {
            (input.name.as_ref().or(Some(&owner.name)), input.color.as_deref().or(Some(PERSONAL_COLOR)))
        }
        None => (input.name.as_ref(), input.color.as_deref()),
    };
    let (Some(name), Some(color)) = (name, color) else {
        return Err(match name {
            None => Problem::malformed("/name is required.").with_error("/name", "is required"),
            Some(_) => Problem::malformed("/color is required.").with_error("/color", "is required"),
        });
    };
    let name = errors.check(settings::name("/name", name));
    let color = errors.check(settings::color("/color", color));
    let api_code =
        input.api_code.map(|code| errors.check(settings::api_code("/apiCode", &code)).unwrap_or_default());
    let number = errors.check(number("/phoneNumber", &input.phone_number));
    let forwarding = match &input.voice_forwarding_number {
        Some(text) => errors.check(forwarding(app, text, number.as_ref()).await?),
        None => None,
    };
    let members = members(app, access, &input.member_ids, &mut errors).await?;
    let adopted = match &number {
        Some(number) if input.adopt => adopted(app, number, &mut errors).await?,
        _ => None,
    };
    let draft = name.zip(color).zip(number).map(|((name, color), number)| Draft {
        owner,
        name,
        color,
        api_code,
        number,
        adopted,
        voice_forwarding: forwarding,
        members,
    });
    Ok(errors.finish_with(draft)?)
}

/// The color of a personal inbox, unless the request has another one.
const PERSONAL_COLOR: &str = "#2f6f9f";

/// The user of a personal inbox, who must be a member of the team.
async fn owner(
    app: &App,
    access: &TeamAccess,
    input: &NewInbox,
    errors: &mut FieldErrors,
) -> Result<Option<UserRef>, Problem> {
    if input.kind != Some(InboxKind::Personal) {
        if input.owner_id.is_some() {
            errors.add("/ownerId", "no value for a shared inbox");
        }
        return Ok(None);
    }
    if !input.member_ids.is_empty() {
        errors.add("/memberIds", "no members for a personal inbox, which belongs to its owner");
    }
    let Some(id) = input.owner_id.as_deref() else {
        return Err(Problem::malformed("/ownerId is required.").with_error("/ownerId", "is required"));
    };
    let member = match UserId::parse(id) {
        Ok(id) => app.team_members.get(access.team_key(), &id).await?,
        Err(_) => None,
    };
    match member {
        Some(member) => Ok(Some(member.user)),
        None => Err(FieldError::new("/ownerId", "a member of the team").into()),
    }
}

/// The carrier's ID of a number that the account owns.
async fn adopted(
    app: &App,
    number: &PhoneNumber,
    errors: &mut FieldErrors,
) -> Result<Option<String>, Problem> {
    let owned = app.carrier.owned_number(number.as_str()).await.map_err(|error| carrier_problem(&error))?;
    if owned.is_none() {
        errors.add("/phoneNumber", "a number that your carrier account owns");
    }
    Ok(owned.map(|owned| owned.sid))
}

pub(crate) const FORWARDING: &str = "/voiceForwardingNumber";

pub(crate) fn registration_incomplete(registration: Option<RegistrationStatus>) -> Problem {
    Problem::new(
        409,
        "registration_incomplete",
        "Members can be added once the team's A2P 10DLC registration is complete.",
    )
    .with_data(RegistrationIncomplete { registration: registration.map(RegistrationStatus::as_str) })
}

fn number(pointer: &str, text: &str) -> Result<PhoneNumber, FieldError> {
    PhoneNumber::parse(text).map_err(|error| match error {
        PhoneNumberError::Extension => FieldError::new(pointer, phone::WITHOUT_EXTENSION),
        _ => FieldError::new(pointer, "a phone number in E.164 format, such as +12025550143"),
    })
}

/// A number that calls can be forwarded to. Not one of the deployment's own numbers: the call would loop.
pub(crate) async fn forwarding(
    app: &App,
    text: &str,
    own: Option<&PhoneNumber>,
) -> Result<Result<PhoneNumber, FieldError>, Problem> {
    let number = match number(FORWARDING, text) {
        Ok(number) => number,
        Err(error) => return Ok(Err(error)),
    };
    let own_number = Some(&number) == own || app.inboxes.is_ours(&number).await?;
    let expected = "a number outside this account, because calls to its own numbers would loop";
    Ok(if own_number { Err(FieldError::new(FORWARDING, expected)) } else { Ok(number) })
}

async fn members(
    app: &App,
    access: &TeamAccess,
    ids: &[String],
    errors: &mut FieldErrors,
) -> Result<Vec<UserRef>, Problem> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if ids.len() > MAX_MEMBERS {
        errors.add("/memberIds", "at most 40 members (you can add more later)");
        return Ok(Vec::new());
    }
    let team = app.team_members.list(access.team_key()).await?;
    let creator = &access.caller.user.id;
    let mut found: Vec<UserRef> = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let member = UserId::parse(id).ok().and_then(|id| team.iter().find(|member| member.user.id == id));
        match member {
            None => errors.add(format!("/memberIds/{index}"), "a member of the team"),
            Some(member) if member.user.id == *creator || found.contains(&member.user) => {}
            Some(member) => found.push(member.user.clone()),
        }
    }
    Ok(found)
}

/// The memberships of a shared inbox's creator and selected members, or of a personal inbox's owner.
pub(crate) fn memberships(inbox: &Inbox, creator: UserRef, draft: &Draft) -> Vec<Membership> {
    let first = draft.owner.clone().unwrap_or(creator);
    let people = std::iter::once(first).chain(draft.members.iter().cloned());
    people
        .map(|user| Membership { inbox: inbox.id.clone(), kind: inbox.kind, team: inbox.team.clone(), user })
        .collect()
}

/// An API code derived from a name that no inbox of the organization uses at this time.
pub(crate) async fn free_api_code(
    app: &App,
    organization: &OrganizationId,
    name: &str,
    entropy: u64,
) -> Result<String, Problem> {
    for attempt in 0..4 {
        let code = settings::api_code_of(name, attempt, entropy >> (8 * attempt));
        if !app.inboxes.has_api_code(organization, &code).await? {
            return Ok(code);
        }
    }
    Ok(settings::api_code_of(name, 4, entropy ^ 0xa5a5))
}

/// As [`validate`], for an inbox that an earlier request reserved: its own number and code are valid, and
/// members who have left the team since are omitted.
pub(crate) async fn validate_reserved(
    app: &App,
    access: &TeamAccess,
    input: NewInbox,
) -> Result<Draft, Problem> {
    let team = app.team_members.list(access.team_key()).await?;
    let complete = access.caller.team.registration.is_complete();
    let selected = |id: &String| team.iter().any(|member| member.user.id.as_str() == id) && complete;
    let member_ids = input.member_ids.into_iter().filter(selected).collect();
    validate(app, access, NewInbox { member_ids, voice_forwarding_number: None, ..input }).await
}

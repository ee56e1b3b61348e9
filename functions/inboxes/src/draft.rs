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

use crate::App;

/// The items of all members must fit into one transaction.
const MAX_MEMBERS: usize = 40;

/// Valid input for a new inbox.
#[derive(Debug)]
pub(crate) struct Draft {
    pub name: String,
    pub color: String,
    /// `None`: derive a code from the name.
    pub api_code: Option<String>,
    pub number: PhoneNumber,
    pub voice_forwarding: Option<PhoneNumber>,
    /// In addition to the creator.
    pub members: Vec<UserRef>,
}

/// Validates all fields. Members can be selected only once the team's registration is complete.
pub(crate) async fn validate(app: &App, access: &TeamAccess, input: NewInbox) -> Result<Draft, Problem> {
    let registration = access.caller.team.registration;
    if !input.member_ids.is_empty() && !registration.is_complete() {
        return Err(registration_incomplete(Some(registration)));
    }
    let mut errors = FieldErrors::default();
    let name = errors.check(settings::name("/name", &input.name));
    let color = errors.check(settings::color("/color", &input.color));
    let api_code =
        input.api_code.map(|code| errors.check(settings::api_code("/apiCode", &code)).unwrap_or_default());
    let number = errors.check(number("/phoneNumber", &input.phone_number));
    let forwarding = match &input.voice_forwarding_number {
        Some(text) => errors.check(forwarding(app, text, number.as_ref()).await?),
        None => None,
    };
    let members = members(app, access, &input.member_ids, &mut errors).await?;
    let draft = name.zip(color).zip(number).map(|((name, color), number)| Draft {
        name,
        color,
        api_code,
        number,
        voice_forwarding: forwarding,
        members,
    });
    Ok(errors.finish_with(draft)?)
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

/// The memberships of the creator and the selected members.
pub(crate) fn memberships(inbox: &Inbox, creator: UserRef, members: &[UserRef]) -> Vec<Membership> {
    let people = std::iter::once(creator).chain(members.iter().cloned());
    people
        .map(|user| Membership {
            inbox: inbox.id.clone(),
            kind: InboxKind::Shared,
            team: inbox.team.clone(),
            user,
        })
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

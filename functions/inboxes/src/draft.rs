//! What was entered in the wizard, checked field by field.

use shared_domain::{
    field::{FieldError, FieldErrors},
    ids::{OrganizationId, UserId},
    inbox::{Inbox, InboxKind},
    membership::Membership,
    phone::PhoneNumber,
    settings,
    user::UserRef,
};
use shared_http::{access::TeamAccess, problem::Problem, wire::inbox::NewInbox};

use crate::App;

/// A row of each kind for every member has to fit into one transaction.
const MAX_MEMBERS: usize = 40;

/// What was entered makes sense.
#[derive(Debug)]
pub(crate) struct Draft {
    pub name: String,
    pub color: String,
    /// The code that was chosen; nothing when it is to be made of the name.
    pub api_code: Option<String>,
    pub number: PhoneNumber,
    pub voice_forwarding: Option<PhoneNumber>,
    /// Beside the creator.
    pub members: Vec<UserRef>,
}

/// Checks every field, and that members are chosen only where there may be some.
pub(crate) async fn check(app: &App, access: &TeamAccess, wanted: NewInbox) -> Result<Draft, Problem> {
    let registration = access.standing.team.registration;
    if !wanted.member_ids.is_empty() && !registration.is_complete() {
        return Err(members_wait().with("registration", registration.as_str()));
    }
    let mut errors = FieldErrors::default();
    let name = errors.check(settings::name("/name", &wanted.name));
    let color = errors.check(settings::color("/color", &wanted.color));
    let api_code =
        wanted.api_code.map(|code| errors.check(settings::api_code("/apiCode", &code)).unwrap_or_default());
    let number = errors.check(number("/phoneNumber", &wanted.phone_number));
    let forwarding = match &wanted.voice_forwarding_number {
        Some(text) => errors.check(forwarding(app, text, number.as_ref()).await?),
        None => None,
    };
    let members = members(app, access, &wanted.member_ids, &mut errors).await?;
    errors.finish()?;
    match (name, color, number) {
        (Some(name), Some(color), Some(number)) => {
            Ok(Draft { name, color, api_code, number, voice_forwarding: forwarding, members })
        }
        _ => Err(Problem::invalid(&[])), // each that is missing has its error
    }
}

pub(crate) const FORWARDING: &str = "/voiceForwardingNumber";

/// No members before the team's registration is complete.
pub(crate) fn members_wait() -> Problem {
    Problem::new(
        409,
        "registration_incomplete",
        "Members can be added once the team's A2P 10DLC registration is complete.",
    )
}

fn number(pointer: &str, text: &str) -> Result<PhoneNumber, FieldError> {
    PhoneNumber::parse(text).map_err(|_| FieldError::new(pointer, "a phone number in E.164"))
}

/// A number that calls may be forwarded to: any but our own, which would ring in a circle.
pub(crate) async fn forwarding(
    app: &App,
    text: &str,
    own: Option<&PhoneNumber>,
) -> Result<Result<PhoneNumber, FieldError>, Problem> {
    let number = match number(FORWARDING, text) {
        Ok(number) => number,
        Err(error) => return Ok(Err(error)),
    };
    let ours = Some(&number) == own || app.inboxes.is_ours(&number).await?;
    let expected = "not one of our own numbers: the call would ring in a circle";
    Ok(if ours { Err(FieldError::new(FORWARDING, expected)) } else { Ok(number) })
}

async fn members(
    app: &App,
    access: &TeamAccess,
    wanted: &[String],
    errors: &mut FieldErrors,
) -> Result<Vec<UserRef>, Problem> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    if wanted.len() > MAX_MEMBERS {
        errors.add("/memberIds", "at most 40; add more afterwards");
        return Ok(Vec::new());
    }
    let team = app.team_members.list(&access.organization, access.team()).await?;
    let creator = &access.standing.user.id;
    let mut found: Vec<UserRef> = Vec::new();
    for (index, wanted) in wanted.iter().enumerate() {
        let member =
            UserId::parse(wanted).ok().and_then(|id| team.iter().find(|member| member.user.id == id));
        match member {
            None => errors.add(format!("/memberIds/{index}"), "a member of the team"),
            Some(member) if member.user.id == *creator || found.contains(&member.user) => {}
            Some(member) => found.push(member.user.clone()),
        }
    }
    Ok(found)
}

/// The creator and the chosen members, as members of the inbox.
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

/// An API code made of a name that no inbox of the organization has at this instant.
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

/// The same for an inbox that is being made already: its own number and code are no faults of it, and whoever was chosen
/// and has left the team meanwhile is left out.
pub(crate) async fn check_begun(app: &App, access: &TeamAccess, wanted: NewInbox) -> Result<Draft, Problem> {
    let team = app.team_members.list(&access.organization, access.team()).await?;
    let complete = access.standing.team.registration.is_complete();
    let chosen = |id: &String| team.iter().any(|member| member.user.id.as_str() == id) && complete;
    let member_ids = wanted.member_ids.into_iter().filter(chosen).collect();
    check(app, access, NewInbox { member_ids, voice_forwarding_number: None, ..wanted }).await
}

//! What was entered in the wizard, checked field by field.

use shared_domain::{
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
    let mut faults = Vec::new();
    let name = kept(settings::name(&wanted.name), "/name", &mut faults);
    let color = kept(settings::color(&wanted.color), "/color", &mut faults);
    let api_code = wanted
        .api_code
        .map(|code| kept(settings::api_code(&code), "/apiCode", &mut faults).unwrap_or_default());
    let number = kept(number(&wanted.phone_number), "/phoneNumber", &mut faults);
    let forwarding = match &wanted.voice_forwarding_number {
        Some(text) => kept(forwarding(app, text, number.as_ref()).await?, FORWARDING, &mut faults),
        None => None,
    };
    let members = members(app, access, &wanted.member_ids, &mut faults).await?;
    match (name, color, number) {
        (Some(name), Some(color), Some(number)) if faults.is_empty() => {
            Ok(Draft { name, color, api_code, number, voice_forwarding: forwarding, members })
        }
        _ => Err(Problem::invalid(&faults)),
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

fn kept<T>(
    read: Result<T, &'static str>,
    pointer: &str,
    faults: &mut Vec<(String, &'static str)>,
) -> Option<T> {
    read.map_err(|fault| faults.push((pointer.to_owned(), fault))).ok()
}

fn number(text: &str) -> Result<PhoneNumber, &'static str> {
    PhoneNumber::parse(text).map_err(|_| "a phone number in E.164")
}

/// A number that calls may be forwarded to: any but our own, which would ring in a circle.
pub(crate) async fn forwarding(
    app: &App,
    text: &str,
    own: Option<&PhoneNumber>,
) -> Result<Result<PhoneNumber, &'static str>, Problem> {
    let Ok(number) = number(text) else { return Ok(Err("a phone number in E.164")) };
    let ours = Some(&number) == own || app.inboxes.is_ours(&number).await?;
    Ok(if ours { Err("not one of our own numbers: the call would ring in a circle") } else { Ok(number) })
}

async fn members(
    app: &App,
    access: &TeamAccess,
    wanted: &[String],
    faults: &mut Vec<(String, &'static str)>,
) -> Result<Vec<UserRef>, Problem> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    if wanted.len() > MAX_MEMBERS {
        faults.push(("/memberIds".into(), "at most 40; add more afterwards"));
        return Ok(Vec::new());
    }
    let team = app.team_members.list(&access.organization, access.team()).await?;
    let creator = &access.standing.user.id;
    let mut found: Vec<UserRef> = Vec::new();
    for (index, wanted) in wanted.iter().enumerate() {
        let member =
            UserId::parse(wanted).ok().and_then(|id| team.iter().find(|member| member.user.id == id));
        match member {
            None => faults.push((format!("/memberIds/{index}"), "a member of the team")),
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

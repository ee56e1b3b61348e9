//! Numbers that the carrier's account owns already. `POST /v1/teams/{teamId}/inboxes` with `adopt` does the
//! same for admins.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use shared_aws::{
    clients::{Aws, Secrets, Stack},
    inbox::{Bought, Completed, Inboxes, NewInboxes, Reserved},
    registration::Registrations,
    team::{TeamMembers, Teams},
};
use shared_carriers::twilio::{CallError, Client, Credentials, NumberWebhooks};
use shared_domain::{
    ids::{Id, OrganizationId, TeamId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    keys::TeamKey,
    membership::Membership,
    phone::PhoneNumber,
    registration::{RegistrationStatus, StepSource, TimelineStep},
    settings,
    team::Team,
    user::UserRef,
};

use crate::{Error, Operator};

const TIMEOUT: Duration = Duration::from_secs(20);
/// How often a free API code is searched.
const MAX_CODES: u32 = 4;

/// A number to take over.
#[derive(Debug, Clone, Args)]
pub struct Adoption {
    /// ID of the organization
    #[arg(long)]
    pub organization: String,
    /// ID of the team that gets the inbox
    #[arg(long)]
    pub team: String,
    /// Number of the carrier's account, such as +12025550143
    #[arg(long)]
    pub number: String,
    /// Name of the inbox
    #[arg(long)]
    pub name: String,
    /// ID of the member of the team who becomes the first member of the inbox
    #[arg(long)]
    pub member: String,
    /// Color of the inbox
    #[arg(long, default_value = "#2f6f9f")]
    pub color: String,
}

/// The inbox of an adopted number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdoptedNumber {
    pub inbox_id: String,
    pub team_id: String,
    pub phone_number: String,
    pub api_code: String,
    /// Whether this command created the inbox.
    pub created: bool,
}

/// What the arguments name.
struct Request {
    organization: OrganizationId,
    team: Team,
    number: PhoneNumber,
    member: UserRef,
    name: String,
    color: String,
}

impl Request {
    fn team_key(&self) -> TeamKey<'_> {
        TeamKey { organization: &self.organization, team: &self.team.id }
    }
}

/// The account at the carrier, and the webhooks of its numbers.
#[derive(Debug)]
pub struct Carrier {
    pub client: Client,
    pub webhooks: NumberWebhooks,
}

impl Carrier {
    /// Reads the secret and the parameters of the stack.
    pub async fn of_stack(aws: &Aws, stack: &Stack) -> Result<Self, Error> {
        let secret =
            Secrets::of(aws).carrier(stack.parameter("CarrierSecretName").unwrap_or_default()).await?;
        let (username, password) = secret.api_login();
        let credentials = Credentials { account_sid: secret.account_sid, username, password };
        let url = stack.parameter("CarrierBaseUrl").unwrap_or_default();
        let messaging_url = stack.parameter("CarrierMessagingUrl").unwrap_or(url);
        let client = Client::new(url, credentials, TIMEOUT)
            .and_then(|client| client.with_messaging_url(messaging_url))
            .map_err(|error| {
                Error::Conflict(format!("The stack has an invalid URL of the carrier: {error}."))
            })?;
        let base = stack.parameter("PublicBaseUrl").unwrap_or_default();
        Ok(Self { client, webhooks: NumberWebhooks::of_product(base) })
    }
}

/// Creates a shared inbox with a number that the carrier's account owns, and sets the number's webhooks. A
/// repeated command completes what is missing.
pub async fn adopt(
    operator: &Operator,
    carrier: &Carrier,
    adoption: &Adoption,
) -> Result<AdoptedNumber, Error> {
    let request = check(operator, adoption).await?;
    let owned =
        carrier.client.owned_number(request.number.as_str()).await.map_err(|error| unavailable(&error))?;
    let Some(owned) = owned else {
        let detail =
            "The carrier's account does not own this number. Buy it with the API, or check --number.";
        return Err(Error::Conflict(detail.into()));
    };
    let inbox = match Inboxes::new(operator.table.clone()).by_number(&request.number).await? {
        Some(inbox) if inbox.organization == request.organization && inbox.team == request.team.id => inbox,
        Some(_) => return Err(Error::Conflict("Another inbox has this number.".into())),
        None => reserve(operator, &request).await?,
    };
    let created = inbox.stage == Stage::Creating;
    if created {
        join_service(operator, carrier, &request, &inbox, &owned.sid).await?;
        complete(operator, &request, &inbox, &owned.sid).await?;
    }
    if owned.webhooks != carrier.webhooks {
        let set = carrier.client.set_webhooks(&owned.sid, &carrier.webhooks).await;
        set.map_err(|error| unavailable(&error))?;
    }
    Ok(AdoptedNumber {
        inbox_id: inbox.id.to_string(),
        team_id: inbox.team.to_string(),
        phone_number: inbox.number.as_str().to_owned(),
        api_code: inbox.api_code,
        created,
    })
}

async fn check(operator: &Operator, adoption: &Adoption) -> Result<Request, Error> {
    let organization = operator.organization(&adoption.organization).await?.id;
    let name = settings::name("/name", &adoption.name).map_err(Error::of_argument("name"))?;
    let color = settings::color("/color", &adoption.color).map_err(Error::of_argument("color"))?;
    let expected = "a phone number in E.164 format, such as +12025550143";
    let number = PhoneNumber::parse(&adoption.number)
        .map_err(|_| Error::Invalid { argument: "number", expected: expected.into() })?;
    let no_team = || Error::Conflict(format!("There is no team {} in the organization.", adoption.team));
    let team = TeamId::parse(&adoption.team).map_err(|_| no_team())?;
    let key = TeamKey { organization: &organization, team: &team };
    let found = Teams::new(operator.table.clone()).get(key).await?.ok_or_else(no_team)?;
    let no_member = || Error::Conflict(format!("The team has no member {}.", adoption.member));
    let user = UserId::parse(&adoption.member).map_err(|_| no_member())?;
    let member = TeamMembers::new(operator.table.clone()).get(key, &user).await?.ok_or_else(no_member)?;
    Ok(Request { organization, team: found, number, member: member.user, name, color })
}

/// Reserves the number and a free API code with an inbox that no user sees yet.
async fn reserve(operator: &Operator, request: &Request) -> Result<Inbox, Error> {
    let inboxes = NewInboxes::new(operator.table.clone());
    for attempt in 0..MAX_CODES {
        let inbox = Inbox {
            organization: request.organization.clone(),
            id: Id::new(operator.now, operator.entropy),
            team: request.team.id.clone(),
            kind: InboxKind::Shared,
            name: request.name.clone(),
            color: request.color.clone(),
            api_code: settings::api_code_of(&request.name, attempt, operator.entropy),
            number: request.number.clone(),
            number_sid: None,
            voice_forwarding: None,
            creator: Some(request.member.id.clone()),
            stage: Stage::Creating,
            segments_per_second: None,
        };
        // The limit of an organization binds its admins, not the operator.
        match inboxes.reserve(&inbox, None, u32::MAX, None, operator.now).await? {
            Reserved::Done => return Ok(inbox),
            Reserved::ApiCodeTaken => {}
            Reserved::NumberTaken
            | Reserved::NumberLimitReached
            | Reserved::KeyTaken
            | Reserved::PersonalInboxExists => {
                return Err(changed());
            }
        }
    }
    Err(Error::Conflict("No API code is free that fits the name. Choose another --name.".into()))
}

/// Adds the number to the messaging service of the team, if there is one. If the carrier refuses that, the
/// reservation is undone.
async fn join_service(
    operator: &Operator,
    carrier: &Carrier,
    request: &Request,
    inbox: &Inbox,
    sid: &str,
) -> Result<(), Error> {
    let registration = Registrations::new(operator.table.clone()).get(request.team_key()).await?;
    let Some(service) = registration.messaging_service else { return Ok(()) };
    match carrier.client.add_number(&service, sid).await {
        Ok(()) => Ok(()),
        Err(CallError::Refused { message, .. }) => {
            NewInboxes::new(operator.table.clone()).undo(inbox, Bought::No).await?;
            Err(Error::Conflict(format!("The carrier refused the number for the team's service: {message}")))
        }
        Err(error) => Err(unavailable(&error)),
    }
}

async fn complete(operator: &Operator, request: &Request, inbox: &Inbox, sid: &str) -> Result<(), Error> {
    let member = Membership {
        inbox: inbox.id.clone(),
        kind: inbox.kind,
        team: inbox.team.clone(),
        user: request.member.clone(),
    };
    let first_step = TimelineStep {
        id: inbox.id.to_string(),
        status: RegistrationStatus::Pending,
        at: operator.now,
        source: StepSource::User,
        codes: Vec::new(),
        detail: Some("Started with the team's first shared inbox.".into()),
        by: Some(operator.actor.clone()),
    };
    let starts = request.team.registration == RegistrationStatus::NotStarted;
    let event = operator.event("number.adopt", inbox.id.as_str());
    let completed = NewInboxes::new(operator.table.clone())
        .complete(inbox, sid, &[member], starts.then_some(&first_step), Some(operator.now), &event)
        .await?;
    match completed {
        Completed::Done => Ok(()),
        Completed::NotReserved | Completed::RegistrationBegun => Err(changed()),
    }
}

fn changed() -> Error {
    Error::Conflict("The team was changed by another request at the same time. Run the command again.".into())
}

fn unavailable(error: &CallError) -> Error {
    Error::Conflict(format!(
        "The carrier did not do it: {error}. Run `inboxctl doctor`, then run the command again."
    ))
}

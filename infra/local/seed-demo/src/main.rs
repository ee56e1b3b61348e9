//! Demo data for the local cloud: a registered team with a shared inbox, a team that is not registered yet, and a second
//! organization, to show that nothing crosses. Prints what was made as one JSON document.

use std::{collections::BTreeMap, time::Duration};

use clap::Parser;
use serde::Serialize;
use shared_aws::{
    clients::Aws,
    contact::{ContactBook, ContactEntry},
    conversation::{ConversationUpdate, Conversations},
    inbox::Inboxes,
    messaging::{Inbound, InboundText},
    registration::Registrations,
    table::{StoreError, Table},
    team::{Members, Teams},
};
use shared_carriers::twilio::{CampaignDetails, Client, Credentials, Purchase};
use shared_domain::{
    contact::Contact,
    conversation::Folder,
    ids::{ContactId, ConversationId, InboxId, OrganizationId, TeamId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    membership::{Membership, Role, TeamRole},
    phone::PhoneNumber,
    registration::{Registration, RegistrationStatus, StepSource, TimelineStep},
    team::Team,
    user::{User, UserRef},
};
use shared_lambda::clock;

/// Writes demo data into an empty table.
#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Where DynamoDB answers.
    #[arg(long)]
    endpoint_url: String,
    /// The stack's table.
    #[arg(long)]
    table: String,
    /// The brand of the registered team's campaign.
    #[arg(long)]
    brand_sid: String,
    /// A carrier simulator at which numbers and the campaign are made too; without it they stand in the table alone.
    #[arg(long, requires = "account_sid", requires = "auth_token")]
    carrier_url: Option<String>,
    /// Account at the simulator.
    #[arg(long)]
    account_sid: Option<String>,
    /// Its token.
    #[arg(long)]
    auth_token: Option<String>,
    /// Client id of the machine that sends for the first organization.
    #[arg(long)]
    machine_client_id: String,
}

#[derive(Serialize, Default)]
struct Made {
    users: Vec<MadeUser>,
    machines: Vec<MadeMachine>,
    inboxes: Vec<MadeInbox>,
    /// Messaging services whose campaign the carrier is to approve.
    services: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MadeUser {
    id: String,
    name: String,
    email: String,
    owner: bool,
    organization_id: String,
    teams: Vec<MadeRole>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MadeRole {
    team_id: String,
    role: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MadeMachine {
    client_id: String,
    organization_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MadeInbox {
    inbox_id: String,
    api_code: String,
    phone_number: String,
    team_id: String,
    registered: bool,
}

type Failure = Box<dyn std::error::Error>;

struct Seed {
    members: Members,
    inboxes: Inboxes,
    teams: Teams,
    contacts: ContactBook,
    conversations: Conversations,
    inbound: Inbound,
    registrations: Registrations,
    carrier: Option<Client>,
    brand: String,
    made: Made,
}

/// A user to be.
struct Plan {
    id: &'static str,
    name: &'static str,
    owner: bool,
    role: Role,
}

const fn plan(id: &'static str, name: &'static str, role: Role) -> Plan {
    Plan { id, name, owner: false, role }
}

const FRONT_DESK: [Plan; 8] = [
    Plan { id: "olivia", name: "Olivia Owens", owner: true, role: Role::Admin },
    plan("adam", "Adam Adler", Role::Admin),
    plan("amelia", "Amelia Hart", Role::Member),
    plan("ben", "Ben Okafor", Role::Member),
    plan("carla", "Carla Mendez", Role::Member),
    plan("dev", "Dev Patel", Role::Member),
    plan("erin", "Erin Walsh", Role::Member),
    plan("farid", "Farid Aziz", Role::Member),
];
const NIGHT_DESK: [Plan; 1] = [plan("nora", "Nora Quist", Role::Admin)];
const NEIGHBORS: [Plan; 1] = [Plan { id: "zoe", name: "Zoe Lindqvist", owner: true, role: Role::Admin }];

const FIRST_NAMES: [&str; 10] =
    ["Grace", "Hugo", "Iris", "Jonas", "Kira", "Liam", "Mona", "Noah", "Pia", "Quinn"];
const LAST_NAMES: [&str; 5] = ["Abbott", "Bianchi", "Castro", "Dupont", "Eriksen"];
const TEXTS: [&str; 8] = [
    "Hi, is the 3 pm appointment still free?",
    "Can I bring my son along on Thursday?",
    "Running ten minutes late, sorry!",
    "Which form do I need for the enrolment?",
    "Thank you, see you tomorrow.",
    "Is the office open on Monday?",
    "I did not get the e-mail with the link.",
    "Could somebody call me back, please?",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let table = Table::of(&Aws::loopback(options.endpoint_url.as_str()), options.table.as_str());
    let mut seed = Seed {
        members: Members::new(table.clone()),
        inboxes: Inboxes::new(table.clone()),
        teams: Teams::new(table.clone()),
        contacts: ContactBook::new(table.clone()),
        conversations: Conversations::new(table.clone()),
        inbound: Inbound::new(table.clone()),
        registrations: Registrations::new(table),
        carrier: carrier(&options)?,
        brand: options.brand_sid,
        made: Made::default(),
    };
    seed.brightside(&options.machine_client_id).await?;
    seed.neighbors().await?;
    #[allow(clippy::print_stdout, reason = "the document is what this program is for")]
    {
        println!("{}", serde_json::to_string(&seed.made)?);
    }
    Ok(())
}

impl Seed {
    async fn brightside(&mut self, machine: &str) -> Result<(), Failure> {
        let organization = OrganizationId::parse("org_brightside")?;
        let front = team("team_frontdesk", "Front desk", RegistrationStatus::Approved)?;
        let people = self.team(&organization, &front, &FRONT_DESK).await?;
        let mut desk = inbox(&organization, &front, "inb_frontdesk", InboxKind::Shared, "Front desk", 100)?;
        desk.number_sid = self.buy(&desk).await?;
        self.inbox(&desk, &front, &people).await?;
        self.registered(&desk).await?;
        for (index, person) in people.iter().enumerate() {
            let id = format!("inb_{}", person.id);
            let own = inbox(&organization, &front, &id, InboxKind::Personal, &person.name, 101 + index)?;
            self.inbox(&own, &front, std::slice::from_ref(person)).await?;
        }
        self.contacts(&organization, &front.id, &people[2..]).await?;
        self.conversations(&desk).await?;

        let night = team("team_nightdesk", "Night desk", RegistrationStatus::NotStarted)?;
        let people = self.team(&organization, &night, &NIGHT_DESK).await?;
        let mut waiting =
            inbox(&organization, &night, "inb_nightdesk", InboxKind::Shared, "Night desk", 109)?;
        waiting.number_sid = self.buy(&waiting).await?;
        self.inbox(&waiting, &night, &people).await?;

        self.members.put_machine(machine, &organization).await?;
        let machine =
            MadeMachine { client_id: machine.to_owned(), organization_id: organization.to_string() };
        self.made.machines.push(machine);
        Ok(())
    }

    async fn neighbors(&mut self) -> Result<(), Failure> {
        let organization = OrganizationId::parse("org_neighbors")?;
        let team = team("team_reception", "Reception", RegistrationStatus::Approved)?;
        let people = self.team(&organization, &team, &NEIGHBORS).await?;
        let reception = inbox(&organization, &team, "inb_reception", InboxKind::Shared, "Reception", 199)?;
        self.inbox(&reception, &team, &people).await
    }

    /// The number, bought at the simulator.
    async fn buy(&self, inbox: &Inbox) -> Result<Option<String>, Failure> {
        let Some(carrier) = &self.carrier else { return Ok(None) };
        let purchase = Purchase {
            phone_number: inbox.number.as_str().to_owned(),
            friendly_name: inbox.id.to_string(),
            sms_url: String::new(),
            voice_url: String::new(),
        };
        Ok(Some(carrier.buy_number(&purchase).await?.sid))
    }

    /// A campaign that the carriers have approved, with the inbox's number.
    async fn registered(&mut self, inbox: &Inbox) -> Result<(), Failure> {
        let (organization, team, now) = (&inbox.organization, &inbox.team, clock::now());
        let mut registration = Registration {
            status: RegistrationStatus::Approved,
            as_of: now,
            brand: Some(self.brand.clone()),
            ..Registration::default()
        };
        if let (Some(carrier), Some(number)) = (&self.carrier, &inbox.number_sid) {
            let service = carrier.create_service(&format!("{organization} {team}")).await?;
            carrier.add_number(&service.sid, number).await?;
            let campaign = carrier.create_campaign(&service.sid, &campaign_details(&self.brand)).await?;
            self.made.services.push(service.sid.clone());
            registration.messaging_service = Some(service.sid);
            registration.campaign = Some(campaign.sid);
        }
        self.registrations.put(organization, team, &registration).await?;
        let step = TimelineStep {
            id: "demo".into(),
            status: RegistrationStatus::Approved,
            at: now,
            source: StepSource::Callback,
            codes: Vec::new(),
            detail: Some("Demo data: approved from the beginning.".into()),
            by: None,
        };
        Ok(self.registrations.record_event(organization, team, &step).await?)
    }

    async fn team(
        &mut self,
        organization: &OrganizationId,
        team: &Team,
        plans: &[Plan],
    ) -> Result<Vec<UserRef>, Failure> {
        self.teams.put(organization, team).await?;
        let mut people = Vec::new();
        for plan in plans {
            let user = User {
                id: UserId::parse(plan.id)?,
                name: plan.name.to_owned(),
                email: format!("{}@{}.example", plan.id, organization.as_str().trim_start_matches("org_")),
                owner: plan.owner,
            };
            let role = TeamRole { team: team.id.clone(), role: plan.role };
            self.members.put_user(organization, &user).await?;
            self.members.put_role(organization, &user, &role).await?;
            people.push(UserRef { id: user.id.clone(), name: user.name.clone() });
            self.made.users.push(MadeUser {
                id: user.id.to_string(),
                name: user.name,
                email: user.email,
                owner: user.owner,
                organization_id: organization.to_string(),
                teams: vec![MadeRole { team_id: team.id.to_string(), role: plan.role.as_str() }],
            });
        }
        Ok(people)
    }

    async fn inbox(&mut self, inbox: &Inbox, team: &Team, people: &[UserRef]) -> Result<(), Failure> {
        self.inboxes.put(inbox).await?;
        for user in people {
            let member = Membership {
                inbox: inbox.id.clone(),
                kind: inbox.kind,
                team: inbox.team.clone(),
                user: user.clone(),
            };
            self.members.add(&inbox.organization, &member).await?;
        }
        self.made.inboxes.push(MadeInbox {
            inbox_id: inbox.id.to_string(),
            api_code: inbox.api_code.clone(),
            phone_number: inbox.number.as_str().to_owned(),
            team_id: inbox.team.to_string(),
            registered: team.registration.is_complete(),
        });
        Ok(())
    }

    async fn contacts(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        staff: &[UserRef],
    ) -> Result<(), Failure> {
        for index in 0..50 {
            let contact = Contact {
                id: ContactId::parse(&format!("con_demo{index:02}"))?,
                external_id: Some(format!("C-{}", 1001 + index)),
                first_name: Some(FIRST_NAMES[index % 10].to_owned()),
                last_name: Some(LAST_NAMES[index / 10].to_owned()),
                number: contact_number(index)?,
                assigned: staff.get(index % (staff.len() + 1)).cloned(),
                opted_out: false,
                blocked: false,
                provisional: false,
            };
            let entry = ContactEntry { contact, custom: BTreeMap::new(), version: 1 };
            self.contacts.write(organization, team, None, &entry, None).await?;
        }
        Ok(())
    }

    async fn conversations(&self, inbox: &Inbox) -> Result<(), Failure> {
        let now = clock::now();
        for (index, text) in TEXTS.iter().enumerate() {
            let from = contact_number(index)?;
            let inbound = InboundText {
                carrier: "twilio",
                carrier_id: format!("SM{index:032x}"),
                from: from.clone(),
                text: (*text).to_owned(),
                media: Vec::new(),
            };
            let ago = Duration::from_mins(10 * (index as u64 + 1));
            self.inbound.receive(inbox, &inbound, now - ago).await?;
            if index >= 5 {
                self.archive(inbox, &from).await?;
            }
        }
        Ok(())
    }

    async fn archive(&self, inbox: &Inbox, contact: &PhoneNumber) -> Result<(), StoreError> {
        let conversation = ConversationId::of(&inbox.id, contact);
        let change = ConversationUpdate { folder: Some(Folder::Archived), read: Some(true) };
        let (organization, now) = (&inbox.organization, clock::now());
        self.conversations
            .change_many(organization, &inbox.id, &[conversation], change, now)
            .await
            .map(|_| ())
    }
}

fn carrier(options: &Options) -> Result<Option<Client>, Failure> {
    let (Some(url), Some(account), Some(token)) =
        (&options.carrier_url, &options.account_sid, &options.auth_token)
    else {
        return Ok(None);
    };
    let credentials =
        Credentials { account_sid: account.clone(), username: account.clone(), password: token.clone() };
    let client = Client::new(url, credentials, Duration::from_secs(5))?;
    Ok(Some(client.with_messaging_url(url)?))
}

fn campaign_details(brand: &str) -> CampaignDetails {
    CampaignDetails {
        brand_sid: brand.to_owned(),
        use_case: "LOW_VOLUME".into(),
        description: "Answers of a front desk to people who have written or asked for an appointment.".into(),
        message_flow: "People give their mobile number at the desk and tick the box for text messages."
            .into(),
        message_samples: vec![
            "Brightside: your visit is on Friday at 3pm. Reply STOP to opt out.".into(),
            "Brightside: we have got your question and will answer today.".into(),
        ],
        has_embedded_links: false,
        has_embedded_phone: false,
        privacy_policy_url: None,
        terms_url: None,
    }
}

fn team(id: &str, name: &str, registration: RegistrationStatus) -> Result<Team, Failure> {
    Ok(Team { id: TeamId::parse(id)?, name: name.to_owned(), registration, messaging_service: None })
}

fn inbox(
    organization: &OrganizationId,
    team: &Team,
    id: &str,
    kind: InboxKind,
    name: &str,
    line: usize,
) -> Result<Inbox, Failure> {
    Ok(Inbox {
        organization: organization.clone(),
        id: InboxId::parse(id)?,
        team: team.id.clone(),
        kind,
        name: name.to_owned(),
        color: "#2f6f9f".to_owned(),
        api_code: id.trim_start_matches("inb_").to_uppercase(),
        number: PhoneNumber::from_carrier(&format!("+12025550{line:03}"))?,
        number_sid: None,
        voice_forwarding: None,
        creator: None,
        stage: Stage::Active,
    })
}

fn contact_number(index: usize) -> Result<PhoneNumber, Failure> {
    Ok(PhoneNumber::from_carrier(&format!("+12025550{:03}", 110 + index))?)
}

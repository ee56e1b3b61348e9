//! Demo data: a registered team with a shared inbox, a team without a registration, and a second organization
//! that sees nothing of the first. Organizations, users and machines are made as an operator makes them, with
//! the library of inboxctl.

#![allow(missing_docs, reason = "fields whose names say what they are")]

use std::{collections::BTreeMap, time::Duration};

use inboxctl::{
    Operator,
    machine::{self, CreatedMachine, NewMachine},
    organization::{self, NewOrganization},
    token::{self, LOCAL_PASSWORD, TokenRequest},
    user::{self, NewUser},
};
use serde::Serialize;
use shared_aws::{
    contact::{ContactEntry, Contacts},
    conversation::{ConversationUpdate, Conversations},
    inbox::Inboxes,
    messaging::{Inbound, InboundText},
    registration::Registrations,
    table::{StoreError, Table},
    team::{Members, TeamMembers, Teams},
};
use shared_carriers::twilio::{CampaignDetails, Client, Purchase};
use shared_domain::{
    contact::Contact,
    conversation::Folder,
    ids::{ContactId, ConversationId, InboxId, OrganizationId, TeamId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    keys::{InboxKey, TeamKey},
    membership::{Membership, Role, TeamRole},
    phone::{Channel, PhoneNumber},
    registration::{Registration, RegistrationStatus, StepSource, TimelineStep},
    team::Team,
    user::{User, UserRef},
};
use shared_lambda::clock;

/// What was added.
#[derive(Debug, Serialize, Default)]
pub struct DemoData {
    pub users: Vec<UserOutput>,
    pub machines: Vec<CreatedMachine>,
    pub inboxes: Vec<InboxOutput>,
    /// Messaging services whose campaign the carrier has to approve.
    pub services: Vec<String>,
    /// Names for the phone page of the carrier simulator.
    pub names: Vec<NameOutput>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserOutput {
    pub id: String,
    pub name: String,
    pub email: String,
    pub owner: bool,
    pub organization_id: String,
    pub teams: Vec<RoleOutput>,
    /// `None` without a user pool.
    #[serde(flatten)]
    pub sign_in: Option<SignIn>,
}

#[derive(Debug, Serialize)]
pub struct SignIn {
    pub password: &'static str,
    pub token: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleOutput {
    pub team_id: String,
    pub role: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxOutput {
    pub inbox_id: String,
    pub api_code: String,
    pub phone_number: String,
    pub team_id: String,
    pub registered: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NameOutput {
    pub phone_number: String,
    pub name: String,
    pub inbox: bool,
}

/// Any error: the caller only reports it.
pub type Failure = Box<dyn std::error::Error>;

struct Seed<'a> {
    operator: &'a Operator,
    members: Members,
    team_members: TeamMembers,
    inboxes: Inboxes,
    teams: Teams,
    contacts: Contacts,
    conversations: Conversations,
    inbound: Inbound,
    registrations: Registrations,
    carrier: Option<Client>,
    brand: String,
    webhooks: String,
    segments_per_second: u32,
    data: DemoData,
}

struct DemoUser {
    id: &'static str,
    name: &'static str,
    owner: bool,
    role: Role,
}

const fn demo_user(id: &'static str, name: &'static str, role: Role) -> DemoUser {
    DemoUser { id, name, owner: false, role }
}

const FRONT_DESK: [DemoUser; 8] = [
    DemoUser { id: "olivia", name: "Olivia Owens", owner: true, role: Role::Admin },
    demo_user("adam", "Adam Adler", Role::Admin),
    demo_user("amelia", "Amelia Hart", Role::Member),
    demo_user("ben", "Ben Okafor", Role::Member),
    demo_user("carla", "Carla Mendez", Role::Member),
    demo_user("dev", "Dev Patel", Role::Member),
    demo_user("erin", "Erin Walsh", Role::Member),
    demo_user("farid", "Farid Aziz", Role::Member),
];
const NIGHT_DESK: [DemoUser; 1] = [demo_user("nora", "Nora Quist", Role::Admin)];
const NEIGHBORS: [DemoUser; 1] =
    [DemoUser { id: "zoe", name: "Zoe Lindqvist", owner: true, role: Role::Admin }];

const FIRST_NAMES: [&str; 10] =
    ["Grace", "Hugo", "Iris", "Jonas", "Kira", "Liam", "Mona", "Noah", "Pia", "Quinn"];
const LAST_NAMES: [&str; 5] = ["Abbott", "Bianchi", "Castro", "Dupont", "Eriksen"];
const TEXTS: [&str; 8] = [
    "Hi, is the 3 pm appointment still free?",
    "Can I bring my son along on Thursday?",
    "Running ten minutes late, sorry!",
    "Which form do I need to enroll?",
    "Thank you, see you tomorrow.",
    "Is the office open on Monday?",
    "I did not get the email with the link.",
    "Could someone call me back, please?",
];

/// Adds the demo data to an empty table. With a client of the carrier simulator, buys the numbers and creates
/// the campaign there as well. `segments_per_second` is what the campaigns allow. `machine_client_id` is the
/// machine client of a stack without a user pool.
pub async fn seed(
    operator: &Operator,
    table: Table,
    carrier: Option<Client>,
    webhooks: String,
    brand: String,
    segments_per_second: u32,
    machine_client_id: Option<&str>,
) -> Result<DemoData, Failure> {
    let mut seed = Seed {
        operator,
        members: Members::new(table.clone()),
        team_members: TeamMembers::new(table.clone()),
        inboxes: Inboxes::new(table.clone()),
        teams: Teams::new(table.clone()),
        contacts: Contacts::new(table.clone()),
        conversations: Conversations::new(table.clone()),
        inbound: Inbound::new(table.clone()),
        registrations: Registrations::new(table),
        carrier,
        brand,
        webhooks,
        segments_per_second,
        data: DemoData::default(),
    };
    seed.add_brightside(machine_client_id).await?;
    seed.add_neighbors().await?;
    Ok(seed.data)
}

impl Seed<'_> {
    async fn add_brightside(&mut self, machine_client_id: Option<&str>) -> Result<(), Failure> {
        let organization = self.add_organization("org_brightside", "Brightside", &FRONT_DESK[0]).await?;
        let front = self.registered(team("team_frontdesk", "Front desk", RegistrationStatus::Approved)?);
        let people = self.add_team(&organization, &front, &FRONT_DESK).await?;
        let mut front_desk =
            inbox(&organization, &front, "inb_frontdesk", InboxKind::Shared, "Front desk", 100)?;
        let service = self.add_registration(&organization, &front.id).await?;
        self.buy_number(&mut front_desk, service.as_deref()).await?;
        self.add_inbox(&front_desk, &front, &people).await?;
        for (index, person) in people.iter().enumerate() {
            let id = format!("inb_{}", person.id);
            let mut own = inbox(&organization, &front, &id, InboxKind::Personal, &person.name, 101 + index)?;
            self.buy_number(&mut own, service.as_deref()).await?;
            self.add_inbox(&own, &front, std::slice::from_ref(person)).await?;
        }
        self.add_contacts(&organization, &front.id, &people[2..]).await?;
        self.add_conversations(&front_desk).await?;

        let night = team("team_nightdesk", "Night desk", RegistrationStatus::NotStarted)?;
        let people = self.add_team(&organization, &night, &NIGHT_DESK).await?;
        let mut waiting =
            inbox(&organization, &night, "inb_nightdesk", InboxKind::Shared, "Night desk", 109)?;
        self.buy_number(&mut waiting, None).await?;
        self.add_inbox(&waiting, &night, &people).await?;

        let machine = NewMachine {
            organization: organization.to_string(),
            name: "Booking system".into(),
            client_id: machine_client_id.map(str::to_owned),
        };
        self.data.machines.push(machine::create(&self.operator(), &machine).await?);
        Ok(())
    }

    async fn add_neighbors(&mut self) -> Result<(), Failure> {
        let organization = self.add_organization("org_neighbors", "Neighbors", &NEIGHBORS[0]).await?;
        let team = self.registered(team("team_reception", "Reception", RegistrationStatus::Approved)?);
        let people = self.add_team(&organization, &team, &NEIGHBORS).await?;
        let mut reception =
            inbox(&organization, &team, "inb_reception", InboxKind::Shared, "Reception", 199)?;
        let service = self.add_registration(&organization, &team.id).await?;
        self.buy_number(&mut reception, service.as_deref()).await?;
        self.add_inbox(&reception, &team, &people).await
    }

    /// Returns a team with what its campaign allows.
    fn registered(&self, team: Team) -> Team {
        Team { segments_per_second: Some(self.segments_per_second), ..team }
    }

    /// Returns the operator of a new command.
    fn operator(&self) -> Operator {
        self.operator.at(clock::now(), clock::entropy())
    }

    /// Creates an organization with its owner.
    async fn add_organization(
        &self,
        id: &str,
        name: &str,
        owner: &DemoUser,
    ) -> Result<OrganizationId, Failure> {
        let organization = OrganizationId::parse(id)?;
        let new = NewOrganization {
            name: name.into(),
            owner_name: owner.name.into(),
            owner_email: email(owner.id, &organization),
            owner_id: Some(owner.id.into()),
            id: Some(id.into()),
            no_invitation: true,
        };
        organization::create(&self.operator(), &new).await?;
        Ok(organization)
    }

    /// Adds a user who is not the owner, and signs the user in if the stack has a user pool.
    async fn add_user(
        &self,
        organization: &OrganizationId,
        planned: &DemoUser,
    ) -> Result<Option<SignIn>, Failure> {
        if !planned.owner {
            let new = NewUser {
                organization: organization.to_string(),
                name: planned.name.into(),
                email: email(planned.id, organization),
                id: Some(planned.id.into()),
                owner: false,
                no_invitation: true,
            };
            user::create(&self.operator(), &new).await?;
        }
        if self.operator.pool.is_none() {
            return Ok(None);
        }
        let request = TokenRequest { user: planned.id.into(), organization: Some(organization.to_string()) };
        let token = token::create(self.operator, &request).await?.token;
        Ok(Some(SignIn { password: LOCAL_PASSWORD, token }))
    }

    /// Buys the inbox's number at the simulator, if there is one, and adds it to a messaging service.
    async fn buy_number(&self, inbox: &mut Inbox, service: Option<&str>) -> Result<(), Failure> {
        let Some(carrier) = &self.carrier else { return Ok(()) };
        let purchase = Purchase::new(inbox.number.as_str(), inbox.id.as_str(), &self.webhooks);
        let number = carrier.buy_number(&purchase).await?.sid;
        if let Some(service) = service {
            carrier.add_number(service, &number).await?;
        }
        inbox.number_sid = Some(number);
        Ok(())
    }

    /// Adds an approved campaign. Returns its messaging service, if there is a simulator.
    async fn add_registration(
        &mut self,
        organization: &OrganizationId,
        team: &TeamId,
    ) -> Result<Option<String>, Failure> {
        let now = clock::now();
        let mut registration = Registration {
            status: RegistrationStatus::Approved,
            as_of: now,
            brand: Some(self.brand.clone()),
            ..Registration::default()
        };
        if let Some(carrier) = &self.carrier {
            let service = carrier.create_service(&format!("{organization} {team}")).await?;
            let campaign = carrier.create_campaign(&service.sid, &campaign_details(&self.brand)).await?;
            self.data.services.push(service.sid.clone());
            registration.messaging_service = Some(service.sid);
            registration.campaign = Some(campaign.sid);
        }
        self.registrations.put(TeamKey { organization, team }, &registration).await?;
        let step = TimelineStep {
            id: "demo".into(),
            status: RegistrationStatus::Approved,
            at: now,
            source: StepSource::Callback,
            codes: Vec::new(),
            detail: Some("Demo data: created as approved.".into()),
            by: None,
        };
        self.registrations.record_event(TeamKey { organization, team }, &step).await?;
        Ok(registration.messaging_service)
    }

    async fn add_team(
        &mut self,
        organization: &OrganizationId,
        team: &Team,
        users: &[DemoUser],
    ) -> Result<Vec<UserRef>, Failure> {
        self.teams.put(organization, team).await?;
        let mut people = Vec::new();
        for planned in users {
            let user = User {
                id: UserId::parse(planned.id)?,
                name: planned.name.to_owned(),
                email: email(planned.id, organization),
                owner: planned.owner,
            };
            let role = TeamRole { team: team.id.clone(), role: planned.role };
            let sign_in = self.add_user(organization, planned).await?;
            self.team_members.put_role(organization, &user, &role).await?;
            people.push(UserRef { id: user.id.clone(), name: user.name.clone() });
            self.data.users.push(UserOutput {
                id: user.id.to_string(),
                name: user.name,
                email: user.email,
                owner: user.owner,
                organization_id: organization.to_string(),
                teams: vec![RoleOutput { team_id: team.id.to_string(), role: planned.role.as_str() }],
                sign_in,
            });
        }
        Ok(people)
    }

    async fn add_inbox(&mut self, inbox: &Inbox, team: &Team, people: &[UserRef]) -> Result<(), Failure> {
        self.inboxes.put(inbox).await?;
        for user in people {
            let member = Membership {
                inbox: inbox.id.clone(),
                kind: inbox.kind,
                team: inbox.team.clone(),
                user: user.clone(),
            };
            self.members.put(&inbox.organization, &member).await?;
        }
        self.data.inboxes.push(InboxOutput {
            inbox_id: inbox.id.to_string(),
            api_code: inbox.api_code.clone(),
            phone_number: inbox.number.as_str().to_owned(),
            team_id: inbox.team.to_string(),
            registered: team.registration.is_complete(),
        });
        self.data.names.push(NameOutput {
            phone_number: inbox.number.as_str().to_owned(),
            name: inbox.name.clone(),
            inbox: true,
        });
        Ok(())
    }

    async fn add_contacts(
        &mut self,
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
            self.data.names.push(NameOutput {
                phone_number: contact.number.as_str().to_owned(),
                name: format!("{} {}", FIRST_NAMES[index % 10], LAST_NAMES[index / 10]),
                inbox: false,
            });
            let entry = ContactEntry { contact, custom: BTreeMap::new(), version: 1 };
            self.contacts.write(TeamKey { organization, team }, None, &entry, None).await?;
        }
        Ok(())
    }

    async fn add_conversations(&self, inbox: &Inbox) -> Result<(), Failure> {
        let now = clock::now();
        for (index, text) in TEXTS.iter().enumerate() {
            let from = contact_number(index)?;
            let inbound = InboundText {
                carrier: "twilio",
                carrier_id: format!("SM{index:032x}"),
                from: from.clone(),
                channel: Channel::Sms,
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
            .change_many(InboxKey { organization, inbox: &inbox.id }, &[conversation], change, now)
            .await
            .map(|_| ())
    }
}

fn email(user: &str, organization: &OrganizationId) -> String {
    format!("{user}@{}.example", organization.as_str().trim_start_matches("org_"))
}

fn campaign_details(brand: &str) -> CampaignDetails {
    CampaignDetails {
        brand_sid: brand.to_owned(),
        use_case: "LOW_VOLUME".into(),
        description: "Replies of a front desk to people who wrote to it or asked for an appointment.".into(),
        message_flow: "People give their mobile number at the desk and tick the box for text messages."
            .into(),
        message_samples: vec![
            "Brightside: your visit is on Friday at 3pm. Reply STOP to opt out.".into(),
            "Brightside: we received your question and will answer today.".into(),
        ],
        has_embedded_links: false,
        has_embedded_phone: false,
        privacy_policy_url: None,
        terms_url: None,
    }
}

fn team(id: &str, name: &str, registration: RegistrationStatus) -> Result<Team, Failure> {
    Ok(Team {
        id: TeamId::parse(id)?,
        name: name.to_owned(),
        registration,
        messaging_service: None,
        segments_per_second: None,
    })
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
        segments_per_second: None,
    })
}

fn contact_number(index: usize) -> Result<PhoneNumber, Failure> {
    Ok(PhoneNumber::from_carrier(&format!("+12025550{:03}", 110 + index))?)
}

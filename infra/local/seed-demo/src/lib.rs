//! Demo data: a registered team with a shared inbox, a team without a registration, and a second organization
//! that sees nothing of the first. All of it is made as operators and users make it: organizations, users and
//! machines with the library of inboxctl, everything else with the public API, and the rest with the carrier
//! simulator, which approves the campaigns and sends the customers' messages.

#![allow(missing_docs, reason = "fields whose names say what they are")]

mod api;
mod plan;

use std::{collections::BTreeMap, time::Duration};

use futures_util::{
    StreamExt, TryStreamExt,
    future::{try_join, try_join_all, try_join3},
    stream,
};
use inboxctl::{
    Operator,
    machine::{self, CreatedMachine, NewMachine},
    organization::{self, NewOrganization},
    registration::{self, Confirmation},
    token::{self, LOCAL_PASSWORD, TokenRequest},
    user::{self, NewUser},
};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};
use shared_lambda::clock;

use crate::{
    api::Http,
    plan::{FRONT_DESK, NIGHT_DESK, RECEPTION},
};
pub use crate::{
    api::Site,
    plan::{BRIGHTSIDE, DemoUser, users},
};

/// Requests at a time. More would start more processes of the same function.
const CONCURRENCY: usize = 8;
/// How often to ask for a state that the product reaches by itself, and how many times.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const POLLS: u32 = 600;
const COLOR: &str = "#2f6f9f";

/// What was added.
#[derive(Debug, Serialize, Default)]
pub struct DemoData {
    pub users: Vec<UserOutput>,
    pub machines: Vec<CreatedMachine>,
    pub inboxes: Vec<InboxOutput>,
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

/// Any error: the caller only reports it.
pub type Failure = Box<dyn std::error::Error>;

/// How the demo data differs between the local cloud and the API server.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The machine client of a stack without a user pool.
    pub machine_client_id: Option<String>,
    /// Segments per second of teams whose campaign is registered outside the product. `None` to register the
    /// campaigns at the simulator.
    pub registered_elsewhere: Option<u32>,
    /// Whether the queue workers run, so that replies are delivered.
    pub workers: bool,
}

/// Adds the demo data to an empty stack.
pub async fn seed(operator: &Operator, site: Site, options: Options) -> Result<DemoData, Failure> {
    let seed = Seed { operator, http: Http::new(site)?, options };
    let (mut data, neighbors) = try_join(Box::pin(seed.brightside()), Box::pin(seed.neighbors())).await?;
    data.users.extend(neighbors.users);
    data.inboxes.extend(neighbors.inboxes);
    Ok(data)
}

struct Seed<'a> {
    operator: &'a Operator,
    http: Http,
    options: Options,
}

/// The tokens of an organization's users, by user ID.
struct Tokens(BTreeMap<&'static str, String>);

impl Tokens {
    fn of(&self, user: &DemoUser) -> &str {
        self.0.get(user.id).map_or("", String::as_str)
    }
}

/// A team with its admin, who makes the requests.
struct Team<'a> {
    id: String,
    users: &'static [DemoUser],
    tokens: &'a Tokens,
}

impl Team<'_> {
    fn path(&self) -> String {
        format!("/v1/teams/{}", self.id)
    }

    fn admin(&self) -> &str {
        self.tokens.of(&self.users[0])
    }

    fn outputs(&self, has_pool: bool) -> impl Iterator<Item = UserOutput> {
        self.users.iter().map(move |user| UserOutput {
            id: user.id.into(),
            name: user.name.into(),
            email: user.email(),
            owner: user.owner,
            organization_id: user.organization.into(),
            teams: vec![RoleOutput { team_id: self.id.clone(), role: user.role }],
            sign_in: has_pool
                .then(|| SignIn { password: LOCAL_PASSWORD, token: self.tokens.of(user).to_owned() }),
        })
    }
}

impl Seed<'_> {
    async fn brightside(&self) -> Result<DemoData, Failure> {
        let everyone: Vec<_> = FRONT_DESK.iter().chain(&NIGHT_DESK).collect();
        let tokens = self.add_organization("Brightside", &everyone).await?;
        let owner = tokens.of(&FRONT_DESK[0]);
        let (front, night) = try_join(
            self.add_team("Front desk", owner, &FRONT_DESK, &tokens),
            self.add_team("Night desk", owner, &NIGHT_DESK, &tokens),
        )
        .await?;
        let machine = NewMachine {
            organization: BRIGHTSIDE.into(),
            name: "Booking system".into(),
            client_id: self.options.machine_client_id.clone(),
        };
        let machine = machine::create(&self.operator(), &machine).await?;
        let (mut inboxes, waiting) =
            try_join(self.fill_front_desk(&front), self.add_waiting_inbox(&night)).await?;
        inboxes.push(waiting);
        let has_pool = self.operator.pool.is_some();
        let users = front.outputs(has_pool).chain(night.outputs(has_pool)).collect();
        Ok(DemoData { users, machines: vec![machine], inboxes })
    }

    async fn neighbors(&self) -> Result<DemoData, Failure> {
        let tokens = self.add_organization("Neighbors", &[&RECEPTION[0]]).await?;
        let team = self.add_team("Reception", tokens.of(&RECEPTION[0]), &RECEPTION, &tokens).await?;
        let inbox = self.add_shared_inbox(&team, "Reception", "RECEPTION", 199).await?;
        self.register(&team).await?;
        let users = team.outputs(self.operator.pool.is_some()).collect();
        Ok(DemoData { users, machines: Vec::new(), inboxes: vec![inbox] })
    }

    /// Returns the operator of a new command.
    fn operator(&self) -> Operator {
        self.operator.at(clock::now(), clock::entropy())
    }

    /// Creates an organization with its users, of whom the first is the owner, and signs them in.
    async fn add_organization(&self, name: &str, users: &[&DemoUser]) -> Result<Tokens, Failure> {
        let owner = users[0];
        let new = NewOrganization {
            name: name.into(),
            owner_name: owner.name.into(),
            owner_email: owner.email(),
            owner_id: Some(owner.id.into()),
            id: Some(owner.organization.into()),
            no_invitation: true,
        };
        organization::create(&self.operator(), &new).await?;
        let tokens = try_join_all(users.iter().map(|user| self.add_user(user))).await?;
        Ok(Tokens(tokens.into_iter().collect()))
    }

    /// Adds a user who is not the owner. Returns the user's token, which is the ID without a user pool.
    async fn add_user(&self, planned: &DemoUser) -> Result<(&'static str, String), Failure> {
        if !planned.owner {
            let new = NewUser {
                organization: planned.organization.into(),
                name: planned.name.into(),
                email: planned.email(),
                id: Some(planned.id.into()),
                owner: false,
                no_invitation: true,
            };
            user::create(&self.operator(), &new).await?;
        }
        if self.operator.pool.is_none() {
            return Ok((planned.id, planned.id.into()));
        }
        let request =
            TokenRequest { user: planned.id.into(), organization: Some(planned.organization.into()) };
        Ok((planned.id, token::create(&self.operator(), &request).await?.token))
    }

    async fn add_team<'a>(
        &self,
        name: &str,
        owner: &str,
        users: &'static [DemoUser],
        tokens: &'a Tokens,
    ) -> Result<Team<'a>, Failure> {
        let created = self.post(owner, "/v1/teams", json!({ "name": name })).await?;
        let team = Team { id: text(&created, "teamId")?, users, tokens };
        let path = team.path();
        let add = |user: &'static DemoUser| {
            let path = format!("{path}/members/{}", user.id);
            async move { self.http.api(owner, Method::PUT, &path, json!({ "role": user.role })).await }
        };
        each(users, add).await?;
        Ok(team)
    }

    /// The shared inbox with all members of the team, a personal inbox of each, contacts and conversations.
    async fn fill_front_desk(&self, team: &Team<'_>) -> Result<Vec<InboxOutput>, Failure> {
        let registered = async {
            let inbox = self.add_shared_inbox(team, "Front desk", "FRONTDESK", 100).await?;
            self.register(team).await?;
            let add = |user: &'static DemoUser| {
                let path = format!("/v1/inboxes/{}/members/{}", inbox.inbox_id, user.id);
                async move { self.http.api(team.admin(), Method::PUT, &path, Value::Null).await }
            };
            each(team.users, add).await?;
            Ok(inbox)
        };
        let (front_desk, (), personal) =
            try_join3(registered, self.add_contacts(team), self.add_personal_inboxes(team)).await?;
        self.add_conversations(team, &front_desk).await?;
        self.add_texts(team).await?;
        let mut inboxes = vec![front_desk];
        inboxes.extend(personal);
        Ok(inboxes)
    }

    async fn add_shared_inbox(
        &self,
        team: &Team<'_>,
        name: &str,
        code: &str,
        line: usize,
    ) -> Result<InboxOutput, Failure> {
        let inbox = json!({ "name": name, "color": COLOR, "apiCode": code, "phoneNumber": plan::line(line) });
        self.add_inbox(team, inbox, true).await
    }

    async fn add_personal_inboxes(&self, team: &Team<'_>) -> Result<Vec<InboxOutput>, Failure> {
        let add = |(place, user): (usize, &'static DemoUser)| {
            let inbox = json!({
                "kind": "personal", "ownerId": user.id, "apiCode": user.id.to_uppercase(),
                "phoneNumber": plan::line(101 + place),
            });
            async move { self.add_inbox(team, inbox, true).await }
        };
        each(team.users.iter().enumerate(), add).await
    }

    /// The inbox of a team that is not registered, with a number that the account owns already.
    async fn add_waiting_inbox(&self, team: &Team<'_>) -> Result<InboxOutput, Failure> {
        let number = plan::line(109);
        self.http.buy_number(&number).await?;
        let inbox = json!({
            "name": "Night desk", "color": COLOR, "apiCode": "NIGHTDESK", "phoneNumber": number, "adopt": true,
        });
        self.add_inbox(team, inbox, false).await
    }

    async fn add_inbox(
        &self,
        team: &Team<'_>,
        inbox: Value,
        registered: bool,
    ) -> Result<InboxOutput, Failure> {
        let created = self.post(team.admin(), &format!("{}/inboxes", team.path()), inbox).await?;
        let phone_number = text(&created, "phoneNumber")?;
        self.name(&phone_number, &text(&created, "name")?, true).await?;
        Ok(InboxOutput {
            inbox_id: text(&created, "inboxId")?,
            api_code: text(&created, "apiCode")?,
            phone_number,
            team_id: team.id.clone(),
            registered,
        })
    }

    /// Shows a name with a phone number on the phone page.
    async fn name(&self, number: &str, name: &str, is_inbox: bool) -> Result<(), Failure> {
        let fields =
            [("PhoneNumber", number), ("Name", name), ("Inbox", if is_inbox { "true" } else { "false" })];
        self.http.simulate("name", &fields).await?;
        Ok(())
    }

    /// Submits the team's campaign, lets the carriers approve it, and waits until the product knows.
    async fn register(&self, team: &Team<'_>) -> Result<(), Failure> {
        if let Some(rate) = self.options.registered_elsewhere {
            let confirmation = Confirmation {
                organization: team.users[0].organization.into(),
                team: team.id.clone(),
                segments_per_second: Some(rate),
            };
            registration::confirm(&self.operator(), &confirmation).await?;
            return Ok(());
        }
        let path = format!("{}/registration", team.path());
        let submitted = self.post(team.admin(), &path, plan::campaign()).await?;
        let service = text(&submitted["carrier"], "messagingServiceSid")?;
        let fields = [("MessagingServiceSid", service.as_str()), ("Status", "VERIFIED")];
        self.http.simulate("campaign-status", &fields).await?;
        self.wait(team.admin(), &path, "status", "approved").await
    }

    async fn add_contacts(&self, team: &Team<'_>) -> Result<(), Failure> {
        let path = format!("{}/contacts", team.path());
        let add = |index: usize| {
            let path = &path;
            async move {
                self.post(team.admin(), path, plan::contact(index)).await?;
                self.name(&plan::phone(index), &plan::contact_name(index), false).await
            }
        };
        each(0..plan::CONTACTS, add).await?;
        Ok(())
    }

    /// Templates and segments.
    async fn add_texts(&self, team: &Team<'_>) -> Result<(), Failure> {
        for (name, text) in plan::TEMPLATES {
            let path = format!("{}/templates", team.path());
            self.post(team.admin(), &path, json!({ "name": name, "text": text })).await?;
        }
        for segment in plan::segments() {
            self.post(team.admin(), &format!("{}/segments", team.path()), segment).await?;
        }
        Ok(())
    }

    /// Messages of customers, oldest first, and replies to the first ones.
    async fn add_conversations(&self, team: &Team<'_>, inbox: &InboxOutput) -> Result<(), Failure> {
        let count = plan::TEXTS.len();
        for (index, text) in plan::TEXTS.iter().enumerate() {
            let phone = plan::phone(count - 1 - index);
            let fields = [("From", &*phone), ("To", &*inbox.phone_number), ("Body", text)];
            let sent = self.http.simulate("inbound-message", &fields).await?;
            if sent["webhookStatus"] != 200 {
                return Err(format!("the product did not accept a message: {sent}").into());
            }
        }
        let path = format!("/v1/inboxes/{}/conversations", inbox.inbox_id);
        let list = self.http.api(team.admin(), Method::GET, &path, Value::Null).await?;
        let oldest_first = list["items"].as_array().into_iter().flatten().rev();
        let ids = oldest_first.map(|item| text(item, "conversationId")).collect::<Result<Vec<_>, _>>()?;
        let staff = &team.users[2..];
        let reply = |((id, reply), user): ((String, &'static str), &'static DemoUser)| {
            let path = format!("{path}/{id}");
            async move { self.reply(team.tokens.of(user), &path, reply).await }
        };
        each(ids.into_iter().zip(plan::REPLIES).zip(staff), reply).await?;
        Ok(())
    }

    /// Replies as a user does: acquires the lock, sends, and leaves.
    async fn reply(&self, token: &str, conversation: &str, reply: &str) -> Result<(), Failure> {
        let lock = self.post(token, &format!("{conversation}/lock"), Value::Null).await?;
        let body = json!({ "text": reply, "lockToken": lock["token"] });
        let message = self.post(token, &format!("{conversation}/messages"), body).await?;
        let path = format!("{conversation}/lock?token={}", lock["token"]);
        self.http.api(token, Method::DELETE, &path, Value::Null).await?;
        if self.options.workers {
            let path = format!("/v1/messages/{}", text(&message, "messageId")?);
            self.wait(token, &path, "state", "delivered").await?;
        }
        Ok(())
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Result<Value, Failure> {
        self.http.api(token, Method::POST, path, body).await
    }

    /// Waits until a field of a resource has a value.
    async fn wait(&self, token: &str, path: &str, field: &str, value: &str) -> Result<(), Failure> {
        for _ in 0..POLLS {
            let resource = self.http.api(token, Method::GET, path, Value::Null).await?;
            if resource[field] == value {
                return Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Err(format!("the field {field} of {path} does not become {value}").into())
    }
}

/// Runs an action for each item, some at a time. Returns the results in the order of the items.
async fn each<T, R, F>(
    items: impl IntoIterator<Item = T>,
    action: impl FnMut(T) -> F,
) -> Result<Vec<R>, Failure>
where
    F: Future<Output = Result<R, Failure>>,
{
    stream::iter(items).map(action).buffered(CONCURRENCY).try_collect().await
}

/// Returns a field that is a string.
fn text(value: &Value, field: &str) -> Result<String, Failure> {
    let found = value[field].as_str().map(str::to_owned);
    found.ok_or_else(|| format!("a response has no {field}: {value}").into())
}

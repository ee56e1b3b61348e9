//! A team that a journey creates, and the actions of its admin.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared_carriers::twilio::signature::sign_json;
use tokio::sync::{RwLock, RwLockWriteGuard};

use crate::{ApiResponse, Carrier, Client, Stack, WAIT_TIMEOUT, client, eventually};

/// Each journey is offered numbers of exchanges of its own. One stack bears several runs, so a run begins
/// anywhere.
static EXCHANGE: LazyLock<AtomicU64> =
    LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one("an exchange") % 600));
/// A fault strikes whichever number is bought next, so a journey that wants one is alone on the market.
static NUMBER_FAULT_LOCK: RwLock<()> = RwLock::const_new(());

/// Numbers cannot be bought as usual; the other journeys wait.
#[derive(Debug)]
pub struct ActiveNumberFault {
    _alone: RwLockWriteGuard<'static, ()>,
}

/// A shared inbox of a journey's own.
#[derive(Debug, Clone)]
pub struct SharedInbox {
    /// Its id.
    pub id: String,
    /// Its number.
    pub number: String,
    /// What the creation answered.
    pub response: Value,
}

impl SharedInbox {
    /// From what the creation answered.
    pub fn of(response: &Value) -> Self {
        let text = |name: &str| response[name].as_str().expect("a text").to_owned();
        Self { id: text("inboxId"), number: text("phoneNumber"), response: response.clone() }
    }

    /// The inbox itself.
    pub fn path(&self) -> String {
        format!("/v1/inboxes/{}", self.id)
    }

    /// One of its members.
    pub fn member(&self, user: &str) -> String {
        format!("{}/members/{user}", self.path())
    }
}

/// A team with an admin.
#[derive(Debug, Clone)]
pub struct TestTeam {
    /// Its id.
    pub id: String,
    /// Manages it.
    pub admin: Client,
}

impl TestTeam {
    /// A new team of the first organization, made by its owner, with this admin.
    pub async fn create(stack: &Stack, name: &str, admin: &str) -> Self {
        let owner = stack.user("olivia");
        let made = owner.post("/v1/teams", json!({ "name": name })).await.expect(201);
        let id = made["teamId"].as_str().expect("an id").to_owned();
        let team = Self { id, admin: stack.user(admin) };
        owner.put(&team.member(admin), json!({ "role": "admin" })).await.expect(200);
        team
    }

    /// The team itself.
    pub fn path(&self) -> String {
        format!("/v1/teams/{}", self.id)
    }

    /// One of its members.
    pub fn member(&self, user: &str) -> String {
        format!("{}/members/{user}", self.path())
    }

    /// Its inboxes.
    pub fn inboxes(&self) -> String {
        format!("{}/inboxes", self.path())
    }

    /// Its registration.
    pub fn registration(&self) -> String {
        format!("{}/registration", self.path())
    }

    /// Makes a user of the organization a member.
    pub async fn add_member(&self, user: &str) {
        self.admin.put(&self.member(user), json!({ "role": "member" })).await.expect(200);
    }

    /// What the admin is offered for this query, while no journey makes the sale of numbers fail.
    pub async fn available_numbers(&self, query: &str) -> Value {
        let _open = NUMBER_FAULT_LOCK.read().await;
        self.admin.get(&format!("/v1/numbers/available?{query}")).await.expect(200)
    }

    /// A number that the carrier offers now and that no other journey is offered.
    pub async fn free_number(&self) -> String {
        let exchange = 300 + EXCHANGE.fetch_add(1, Ordering::Relaxed) % 600;
        let found = self.available_numbers(&format!("areaCode=628&prefix={exchange}&limit=1")).await;
        found["items"][0]["phoneNumber"].as_str().expect("an offer").to_owned()
    }

    /// What creates a shared inbox of this name with a number that is free.
    pub async fn inbox_request(&self, name: &str) -> Value {
        json!({ "name": name, "color": "#336699", "phoneNumber": self.free_number().await })
    }

    /// Creates a shared inbox.
    pub async fn create_inbox(&self, name: &str) -> SharedInbox {
        let inbox_request = self.inbox_request(name).await;
        self.create_inbox_from(&inbox_request).await
    }

    /// Creates a shared inbox as wished, while no journey makes the sale of numbers fail.
    pub async fn create_inbox_from(&self, inbox_request: &Value) -> SharedInbox {
        let _open = NUMBER_FAULT_LOCK.read().await;
        SharedInbox::of(&self.admin.post(&self.inboxes(), inbox_request.clone()).await.expect(201))
    }

    /// Retires an inbox and returns its number to the carrier, while no fault of numbers is in force.
    pub async fn retire_and_release(&self, inbox: &SharedInbox) {
        let _open = NUMBER_FAULT_LOCK.read().await;
        self.admin.delete(&format!("{}?releaseNumber=true", inbox.path())).await.expect(204);
    }

    /// Submits a campaign that the carrier takes.
    pub async fn submit_registration(&self) -> Value {
        self.admin.post(&self.registration(), campaign()).await.expect(202)
    }

    /// The registration as the admin sees it.
    pub async fn get_registration(&self) -> Value {
        self.admin.get(&self.registration()).await.expect(200)
    }

    /// The registration, once it is in this state.
    pub async fn wait_for_registration(&self, status: &str) -> Value {
        eventually(&format!("the registration is {status}"), WAIT_TIMEOUT, async || {
            let registration = self.get_registration().await;
            (registration["status"] == status).then_some(registration)
        })
        .await
    }

    /// What the carrier calls the team's messaging service.
    pub async fn messaging_service(&self) -> String {
        let registration = self.get_registration().await;
        registration["carrier"]["messagingServiceSid"].as_str().expect("a service").to_owned()
    }

    /// Submitted, approved by the carrier, and known to be.
    pub async fn register(&self, carrier: &Carrier) {
        self.submit_registration().await;
        carrier.decide_campaign(&self.messaging_service().await, "VERIFIED", &[]).await;
        self.wait_for_registration("approved").await;
    }
}

const EVENTS: &str = "/webhooks/twilio/registrations";

/// Details that the carrier takes.
pub fn campaign() -> Value {
    json!({
        "useCase": "LOW_VOLUME",
        "description": "Answers of our desk to people who wrote to us or asked for an appointment.",
        "messageFlow": "People give their mobile number on the form at the desk and tick the box for texts.",
        "messageSamples": ["Your visit is on Friday at 3pm. Reply STOP to opt out.", "We got your question and answer today."],
        "hasEmbeddedLinks": false,
        "hasEmbeddedPhone": false,
    })
}

impl Client {
    /// The inboxes that navigation and Compose show.
    pub async fn accounts(&self) -> Vec<String> {
        let me = self.get("/v1/me").await.expect(200);
        let accounts = me["accounts"].as_array().expect("accounts").iter();
        accounts.map(|account| account["inboxId"].as_str().expect("an id").to_owned()).collect()
    }
}

impl Carrier {
    /// The carriers decide about a campaign; `more` may hold `ErrorCode` and `Notify`. Gives what was told.
    pub async fn decide_campaign(&self, service: &str, status: &str, more: &[(&str, &str)]) -> Value {
        let mut fields = vec![("MessagingServiceSid", service), ("Status", status)];
        fields.extend(more);
        self.control("campaign-status", &fields).await
    }

    /// An event is delivered once more, just as it was.
    pub async fn redeliver_event(&self, event: &str, times: &str) -> Value {
        self.control("redeliver-event", &[("EventId", event), ("Count", times)]).await
    }

    /// A call to one of our numbers; gives the instructions that the product answers with.
    pub async fn call(&self, from: &str, to: &str) -> String {
        let called = self.control("inbound-call", &[("From", from), ("To", to)]).await;
        assert_eq!(called["webhookStatus"], 200, "{called}");
        called["webhookBody"].as_str().expect("instructions").to_owned()
    }

    /// The next of these calls about numbers go wrong: `On` as the simulator's control routes have it.
    pub async fn start_number_fault(&self, faults: &[(&str, &str, &str)]) -> ActiveNumberFault {
        let alone = NUMBER_FAULT_LOCK.write().await;
        for (kind, on, count) in faults {
            self.control("fault", &[("Kind", kind), ("On", on), ("Count", count)]).await;
        }
        ActiveNumberFault { _alone: alone }
    }

    /// The market is as usual again.
    pub async fn end_number_fault(&self, _fault: &ActiveNumberFault) {
        for on in ["numbers", "purchases"] {
            self.control("fault", &[("Kind", "none"), ("On", on)]).await;
        }
    }

    /// Registration events, as the carrier posts them: signed, and with the credentials of the address.
    pub async fn post_events(&self, events: &Value) -> ApiResponse {
        let body = events.to_string();
        let (url, signature) = sign_json(&format!("{}{EVENTS}", self.webhooks), body.as_bytes(), &self.token);
        let request = self.http.post(url).basic_auth(&self.account, Some(&self.token));
        self.post_events_with(request, body, &signature).await
    }

    /// The same, with whatever credentials and signature the request has.
    pub async fn post_events_with(
        &self,
        request: RequestBuilder,
        body: String,
        signature: &str,
    ) -> ApiResponse {
        let request = request.header("content-type", "application/json").body(body);
        client::read(format!("POST {EVENTS}"), request.header("x-twilio-signature", signature)).await
    }

    /// Where registration events go, and the secret that signs them.
    pub fn events_address(&self) -> (String, &str) {
        (format!("{}{EVENTS}", self.webhooks), &self.token)
    }

    /// Numbers that the account owns with this one.
    pub async fn owned_numbers(&self, number: &str) -> Vec<Value> {
        let path = format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json", self.account);
        let list = self.get_list(Method::GET, &path, &[("PhoneNumber", number)]).await;
        list.json()["incoming_phone_numbers"].as_array().expect("numbers").clone()
    }

    /// Somebody else buys a number.
    pub async fn sell_to_another_account(&self, number: &str) {
        let path = format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json", self.account);
        let fields = [("PhoneNumber", number), ("FriendlyName", "somebody else")];
        let sold = self.http.post(format!("{}{path}", self.url)).basic_auth(&self.account, Some(&self.token));
        let sold = client::read(format!("POST {path}"), sold.form(&fields)).await;
        assert_eq!(sold.status, 201, "{sold}");
    }

    /// The numbers of a messaging service.
    pub async fn numbers_of(&self, service: &str) -> Vec<String> {
        let list = self.get_list(Method::GET, &format!("/v1/Services/{service}/PhoneNumbers"), &[]).await;
        let numbers = list.json()["phone_numbers"].as_array().expect("numbers").clone();
        numbers.iter().map(|number| number["phone_number"].as_str().expect("a number").to_owned()).collect()
    }

    async fn get_list(&self, method: Method, path: &str, query: &[(&str, &str)]) -> ApiResponse {
        let request = self.http.request(method.clone(), format!("{}{path}", self.url));
        let request = request.basic_auth(&self.account, Some(&self.token)).query(query);
        let response = client::read(format!("{method} {path}"), request).await;
        assert_eq!(response.status, 200, "{response}");
        response
    }
}

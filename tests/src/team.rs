//! A team that a journey creates, its admin, and its registration at the carrier.

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

use crate::{ApiResponse, Carrier, Client, Stack, WAIT_TIMEOUT, client, eventually};

/// The exchange of the next unused number. Each call uses another exchange, so journeys do not compete for
/// numbers. The first one is random because several runs share a stack.
static EXCHANGE: LazyLock<AtomicU64> =
    LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one("an exchange") % 600));

/// A shared inbox that a journey created.
#[derive(Debug, Clone)]
pub struct SharedInbox {
    pub id: String,
    pub number: String,
    /// The response to its creation.
    pub response: Value,
}

impl SharedInbox {
    /// Reads the inbox from the response to its creation.
    pub fn of(response: &Value) -> Self {
        let text = |name: &str| response[name].as_str().expect("a text").to_owned();
        Self { id: text("inboxId"), number: text("phoneNumber"), response: response.clone() }
    }

    /// The path of the inbox.
    pub fn path(&self) -> String {
        format!("/v1/inboxes/{}", self.id)
    }

    /// The path of a member.
    pub fn member(&self, user: &str) -> String {
        format!("{}/members/{user}", self.path())
    }
}

/// A team with an admin.
#[derive(Debug, Clone)]
pub struct TestTeam {
    pub id: String,
    pub admin: Client,
}

impl TestTeam {
    /// Creates a team of the first organization with this user as its admin.
    pub async fn create(stack: &Stack, name: &str, admin: &str) -> Self {
        let owner = stack.user("olivia");
        let created = owner.post("/v1/teams", json!({ "name": name })).await.expect(201);
        let id = created["teamId"].as_str().expect("an id").to_owned();
        let team = Self { id, admin: stack.user(admin) };
        owner.put(&team.member(admin), json!({ "role": "admin" })).await.expect(200);
        team
    }

    /// The path of the team.
    pub fn path(&self) -> String {
        format!("/v1/teams/{}", self.id)
    }

    /// The path of a member.
    pub fn member(&self, user: &str) -> String {
        format!("{}/members/{user}", self.path())
    }

    /// The path of the team's inboxes.
    pub fn inboxes(&self) -> String {
        format!("{}/inboxes", self.path())
    }

    /// The path of the registration.
    pub fn registration(&self) -> String {
        format!("{}/registration", self.path())
    }

    /// Adds a user of the organization as a member.
    pub async fn add_member(&self, user: &str) {
        let owner = Stack::open().user("olivia"); // an admin would have to name the user of another team
        owner.put(&self.member(user), json!({ "role": "member" })).await.expect(200);
    }

    /// Searches for available numbers.
    pub async fn available_numbers(&self, query: &str) -> Value {
        self.admin.get(&format!("/v1/numbers/available?{query}")).await.expect(200)
    }

    /// Returns an available number that no other journey uses.
    pub async fn free_number(&self) -> String {
        let exchange = 300 + EXCHANGE.fetch_add(1, Ordering::Relaxed) % 600;
        let found = self.available_numbers(&format!("areaCode=628&prefix={exchange}&limit=1")).await;
        found["items"][0]["phoneNumber"].as_str().expect("a number").to_owned()
    }

    /// Returns a request body that creates a shared inbox with a free number.
    pub async fn inbox_request(&self, name: &str) -> Value {
        json!({ "name": name, "color": "#336699", "phoneNumber": self.free_number().await })
    }

    /// Creates a shared inbox.
    pub async fn create_inbox(&self, name: &str) -> SharedInbox {
        let inbox_request = self.inbox_request(name).await;
        self.create_inbox_from(&inbox_request).await
    }

    /// Creates a shared inbox from a request body.
    pub async fn create_inbox_from(&self, inbox_request: &Value) -> SharedInbox {
        SharedInbox::of(&self.try_create_inbox(inbox_request).await.expect(201))
    }

    /// Tries to create a shared inbox.
    pub async fn try_create_inbox(&self, inbox_request: &Value) -> ApiResponse {
        self.admin.post(&self.inboxes(), inbox_request.clone()).await
    }

    /// Retires an inbox and returns its number to the carrier.
    pub async fn retire_and_release(&self, inbox: &SharedInbox) {
        self.admin.delete(&format!("{}?releaseNumber=true", inbox.path())).await.expect(204);
    }

    /// Submits a valid registration.
    pub async fn submit_registration(&self) -> Value {
        self.admin.post(&self.registration(), campaign()).await.expect(202)
    }

    /// Returns the registration as the admin sees it.
    pub async fn get_registration(&self) -> Value {
        self.admin.get(&self.registration()).await.expect(200)
    }

    /// Waits until the registration has this status, and returns it.
    pub async fn wait_for_registration(&self, status: &str) -> Value {
        eventually(&format!("the registration is {status}"), WAIT_TIMEOUT, async || {
            let registration = self.get_registration().await;
            (registration["status"] == status).then_some(registration)
        })
        .await
    }

    /// Returns the SID of the team's messaging service.
    pub async fn messaging_service(&self) -> String {
        let registration = self.get_registration().await;
        registration["carrier"]["messagingServiceSid"].as_str().expect("a service").to_owned()
    }

    /// Submits the registration, approves it at the carrier, and waits until the product knows.
    pub async fn register(&self, carrier: &Carrier) {
        self.submit_registration().await;
        carrier.decide_campaign(&self.messaging_service().await, "VERIFIED", &[]).await;
        self.wait_for_registration("approved").await;
    }
}

const EVENTS: &str = "/webhooks/twilio/registrations";

/// Returns a valid registration request.
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
    /// Returns the IDs of the inboxes that `/v1/me` lists.
    pub async fn accounts(&self) -> Vec<String> {
        let me = self.get("/v1/me").await.expect(200);
        let accounts = me["accounts"].as_array().expect("accounts").iter();
        accounts.map(|account| account["inboxId"].as_str().expect("an id").to_owned()).collect()
    }
}

impl Carrier {
    /// Sets the status of a campaign. `more` may contain `ErrorCode` and `Notify`. Returns the simulator's
    /// response, which lists the events that it sent.
    pub async fn decide_campaign(&self, service: &str, status: &str, more: &[(&str, &str)]) -> Value {
        let mut fields = vec![("MessagingServiceSid", service), ("Status", status)];
        fields.extend(more);
        self.control("campaign-status", &fields).await
    }

    /// Delivers an event again.
    pub async fn redeliver_event(&self, event: &str, times: &str) -> Value {
        self.control("redeliver-event", &[("EventId", event), ("Count", times)]).await
    }

    /// Calls a number and returns the TwiML instructions of the product.
    pub async fn call(&self, from: &str, to: &str) -> String {
        let called = self.control("inbound-call", &[("From", from), ("To", to)]).await;
        assert_eq!(called["webhookStatus"], 200, "{called}");
        called["webhookBody"].as_str().expect("instructions").to_owned()
    }

    /// Makes the next requests about a number fail. Each fault has the `Kind` and `On` of the simulator's
    /// control route.
    pub async fn start_number_faults(&self, number: &str, faults: &[(&str, &str)]) {
        for (kind, on) in faults {
            self.control("fault", &[("Kind", kind), ("On", on), ("Phone", number)]).await;
        }
    }

    /// Ends the faults of a number.
    pub async fn end_number_faults(&self, number: &str) {
        self.control("fault", &[("Kind", "none"), ("Phone", number)]).await;
    }

    /// Posts registration events with a valid signature and valid credentials.
    pub async fn post_events(&self, events: &Value) -> ApiResponse {
        let body = events.to_string();
        let (url, signature) = sign_json(&format!("{}{EVENTS}", self.webhooks), body.as_bytes(), &self.token);
        let request = self.http.post(url).basic_auth(&self.account, Some(&self.token));
        self.post_events_with(request, body, &signature).await
    }

    /// Posts registration events with the credentials of `request` and this signature.
    pub async fn post_events_with(
        &self,
        request: RequestBuilder,
        body: String,
        signature: &str,
    ) -> ApiResponse {
        let request = request.header("content-type", "application/json").body(body);
        client::read(format!("POST {EVENTS}"), request.header("x-twilio-signature", signature)).await
    }

    /// Returns the URL for registration events and the token that signs them.
    pub fn events_endpoint(&self) -> (String, &str) {
        (format!("{}{EVENTS}", self.webhooks), &self.token)
    }

    /// Returns the numbers of the account that match this number.
    pub async fn owned_numbers(&self, number: &str) -> Vec<Value> {
        let path = format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json", self.account);
        let list = self.get_list(Method::GET, &path, &[("PhoneNumber", number)]).await;
        list.json()["incoming_phone_numbers"].as_array().expect("numbers").clone()
    }

    /// Removes the webhooks for messages from a number of the account.
    pub async fn remove_webhooks(&self, number: &str) {
        let owned = self.owned_numbers(number).await;
        let sid = owned[0]["sid"].as_str().expect("a sid");
        let path = format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers/{sid}.json", self.account);
        let fields = [("SmsUrl", ""), ("SmsFallbackUrl", "")];
        let request = self.http.post(format!("{}{path}", self.url));
        let request = request.basic_auth(&self.account, Some(&self.token)).form(&fields);
        let response = client::read(format!("POST {path}"), request).await;
        assert_eq!(response.status, 200, "{response}");
    }

    /// Sells a number to another account.
    pub async fn sell_to_another_account(&self, number: &str) {
        let path = format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json", self.account);
        let fields = [("PhoneNumber", number), ("FriendlyName", "somebody else")];
        let sold = self.http.post(format!("{}{path}", self.url)).basic_auth(&self.account, Some(&self.token));
        let sold = client::read(format!("POST {path}"), sold.form(&fields)).await;
        assert_eq!(sold.status, 201, "{sold}");
    }

    /// Returns the numbers of a messaging service.
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

//! What the demo data consists of.

use serde_json::{Value, json};

/// A user of the demo data.
#[derive(Debug, Clone, Copy)]
pub struct DemoUser {
    pub id: &'static str,
    pub name: &'static str,
    pub organization: &'static str,
    pub owner: bool,
    /// The role in the team.
    pub role: &'static str,
}

impl DemoUser {
    /// The e-mail address.
    pub fn email(&self) -> String {
        format!("{}@{}.example", self.id, self.organization.trim_start_matches("org_"))
    }
}

/// The organization with two teams.
pub const BRIGHTSIDE: &str = "org_brightside";
/// An organization that sees nothing of the other.
const NEIGHBORS: &str = "org_neighbors";

const fn member(id: &'static str, name: &'static str) -> DemoUser {
    DemoUser { id, name, organization: BRIGHTSIDE, owner: false, role: "member" }
}

const fn admin(id: &'static str, name: &'static str) -> DemoUser {
    DemoUser { role: "admin", ..member(id, name) }
}

pub(crate) const FRONT_DESK: [DemoUser; 8] = [
    DemoUser { owner: true, ..admin("olivia", "Olivia Owens") },
    admin("adam", "Adam Adler"),
    member("amelia", "Amelia Hart"),
    member("ben", "Ben Okafor"),
    member("carla", "Carla Mendez"),
    member("dev", "Dev Patel"),
    member("erin", "Erin Walsh"),
    member("farid", "Farid Aziz"),
];
pub(crate) const NIGHT_DESK: [DemoUser; 1] = [admin("nora", "Nora Quist")];
pub(crate) const RECEPTION: [DemoUser; 1] =
    [DemoUser { organization: NEIGHBORS, owner: true, ..admin("zoe", "Zoe Lindqvist") }];

/// Returns all users.
pub fn users() -> impl Iterator<Item = &'static DemoUser> {
    FRONT_DESK.iter().chain(&NIGHT_DESK).chain(&RECEPTION)
}

/// The customers who have written to the front desk, each with a message. The last ones got a reply.
pub(crate) const TEXTS: [&str; 8] = [
    "Could someone call me back, please?",
    "I did not get the email with the link.",
    "Is the office open on Monday?",
    "Thank you, see you tomorrow.",
    "Which form do I need to enroll?",
    "Running ten minutes late, sorry!",
    "Can I bring my son along on Thursday?",
    "Hi, is the 3 pm appointment still free?",
];
/// Replies to the first messages of [`TEXTS`], which are archived by that.
pub(crate) const REPLIES: [&str; 3] =
    ["We will call you at noon.", "We have sent it again.", "Yes, from nine to five."];

/// The texts that the team inserts into messages, by name.
pub(crate) const TEMPLATES: [(&str, &str); 3] = [
    ("Opening hours", "We are open Monday to Friday from 9 to 5."),
    ("Reminder", "Hi {{firstName|there}}, this is a reminder of your visit tomorrow. Reply YES to confirm."),
    (
        "Thank you",
        "Thank you, {{firstName|and have a nice day}}! Is there anything else that we can do for you?",
    ),
];

/// The groups of contacts that the team writes to.
pub(crate) fn segments() -> [Value; 2] {
    let segment = |name: &str, op: &str, value: Value| {
        let condition = json!({ "field": "lastInboundAt", "op": op, "value": value });
        json!({ "name": name, "kind": "filter", "filter": { "all": [condition] } })
    };
    [
        segment("Wrote in the last 30 days", "withinDays", json!(30)),
        segment("Never wrote to us", "exists", json!(false)),
    ]
}

const FIRST_NAMES: [&str; 10] =
    ["Grace", "Hugo", "Iris", "Jonas", "Kira", "Liam", "Mona", "Noah", "Pia", "Quinn"];
const LAST_NAMES: [&str; 5] = ["Abbott", "Bianchi", "Castro", "Dupont", "Eriksen"];
pub(crate) const CONTACTS: usize = 50;

/// Returns a contact. Every seventh contact is assigned to no one.
pub(crate) fn contact(index: usize) -> Value {
    let staff = &FRONT_DESK[2..];
    json!({
        "externalId": format!("C-{}", 1001 + index),
        "firstName": FIRST_NAMES[index % 10],
        "lastName": LAST_NAMES[index / 10],
        "mobileNumber": phone(index),
        "assignedUserId": staff.get(index % (staff.len() + 1)).map(|user| user.id),
    })
}

/// Returns the name of a contact.
pub(crate) fn contact_name(index: usize) -> String {
    format!("{} {}", FIRST_NAMES[index % 10], LAST_NAMES[index / 10])
}

/// Returns the phone number of a contact.
pub(crate) fn phone(index: usize) -> String {
    format!("+12025550{:03}", 110 + index)
}

/// Returns the number of an inbox.
pub(crate) fn line(number: usize) -> String {
    format!("+12025550{number:03}")
}

/// The details of a team's campaign.
pub(crate) fn campaign() -> Value {
    json!({
        "useCase": "LOW_VOLUME",
        "description": "Replies of a front desk to people who wrote to it or asked for an appointment.",
        "messageFlow": "People give their mobile number at the desk and tick the box for text messages.",
        "messageSamples": [
            "Brightside: your visit is on Friday at 3pm. Reply STOP to opt out.",
            "Brightside: we received your question and will answer today.",
        ],
        "hasEmbeddedLinks": false,
        "hasEmbeddedPhone": false,
    })
}

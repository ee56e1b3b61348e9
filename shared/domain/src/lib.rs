//! The rules of the product. They use no I/O, clock, environment or async code; time, settings and entropy
//! are arguments.
//!
//! | module | rule |
//! |---|---|
//! | [`ids`] | typed ids with readable prefixes that sort by time |
//! | [`keys`] | the ids that together identify a team, an inbox or a conversation |
//! | [`phone`] | phone numbers in E.164 format |
//! | [`time`] | timestamps in milliseconds |
//! | [`segment`] | the encoding of a text, and how many segments the carrier bills |
//! | [`lock`] | the lock of a conversation: acquire, renew, release, break, idle release, fencing token |
//! | [`conversation`] | folders and read state, and what a message changes |
//! | [`message`] | messages and their delivery states |
//! | [`delivery_check`] | when the carrier is asked about a message without a final state |
//! | [`media`] | attachments: which are stored, and which carriers accept |
//! | [`sending`] | the reasons against sending a message, in the order of the checks |
//! | [`sending_pause`] | pauses of all sending, by the owner or because the carrier is down |
//! | [`signing`] | the keys of cursors and status callbacks, and their rotation |
//! | [`pace`] | when each message of a number may go to the carrier |
//! | [`inbox`], [`team`], [`contact`], [`user`], [`membership`] | inboxes, teams, people and their rights |
//! | [`opt_out`] | STOP, START and HELP, how far an opt-out reaches, and reviews |
//! | [`weekly_hours`] | hours of the week in a time zone: when they begin and end |
//! | [`out_of_office`] | office hours, closed periods, and who gets the out-of-office message |
//! | [`sending_hours`] | when a recipient of a broadcast may get a text |
//! | [`import`] | contacts from a CSV file: columns, rows, what a row changes, progress |
//! | [`audience`] | segments of contacts: which contacts a filter matches |
//! | [`tag`] | tags of contacts |
//! | [`broadcast`] | one text to many recipients: status, progress, estimate, recurrence |
//! | [`question`] | how replies to the question of a broadcast are sorted |
//! | [`keyword_reply`] | texts that answer a keyword |
//! | [`template`] | texts with merge fields |
//! | [`registration`] | the A2P 10DLC registration of a team and its campaign |
//! | [`webhook`] | outgoing webhooks: endpoints, signatures, attempts |
//! | [`address`] | which IP addresses are on the public internet |
//! | [`sweep`] | which messages of the carrier's list are checked for lost webhooks |
//! | [`notification`] | which events are sent by e-mail, and to whom |
//! | [`automatic`] | reactions and automatic replies of phones |
//! | [`text`] | invisible characters, and normal forms of letters |
//! | [`field`] | errors of single fields: where, and what was expected |
//! | [`settings`] | names, colors, API codes and e-mail addresses that users enter |
//!
//! ```
//! use shared_domain::lock::{Denied, LockPolicy, LockState, acquire};
//! use shared_domain::{ids::UserId, time::Timestamp, user::UserRef};
//!
//! let policy = LockPolicy::default();
//! let ada = UserRef { id: UserId::parse("ada").unwrap(), name: "Ada".into() };
//! let ben = UserRef { id: UserId::parse("ben").unwrap(), name: "Ben".into() };
//! let now = Timestamp::from_millis(1_800_000_000_000);
//!
//! let held = acquire(&LockState::default(), &ada, now, &policy).unwrap();
//! assert_eq!(held.token.get(), 1);
//! let Err(Denied { holder, .. }) = acquire(&LockState::held(held), &ben, now, &policy) else { panic!() };
//! assert_eq!(holder, ada);
//! ```

pub mod address;
pub mod audience;
pub mod automatic;
pub mod broadcast;
pub mod contact;
pub mod conversation;
pub mod delivery_check;
pub mod event;
pub mod field;
pub mod ids;
pub mod import;
pub mod inbox;
pub mod keys;
pub mod keyword_reply;
pub mod lock;
pub mod media;
pub mod membership;
pub mod message;
pub mod notification;
pub mod opt_out;
pub mod out_of_office;
pub mod pace;
pub mod phone;
pub mod question;
pub mod registration;
pub mod retention;
pub mod segment;
pub mod sending;
pub mod sending_hours;
pub mod sending_pause;
pub mod settings;
pub mod signing;
pub mod sweep;
pub mod tag;
pub mod team;
pub mod template;
pub mod text;
pub mod time;
pub mod user;
pub mod webhook;
pub mod weekly_hours;

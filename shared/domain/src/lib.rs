//! The rules of team texting, without I/O, clock, environment or async: time, settings and randomness are arguments.
//!
//! | module | rule |
//! |---|---|
//! | [`ids`] | what things are called; sortable, readable, safe inside a key |
//! | [`keys`] | the ids that together name a team, an inbox or a conversation |
//! | [`phone`] | E.164 numbers, as people write them and as carriers send them |
//! | [`time`] | instants in milliseconds |
//! | [`segment`] | GSM-7 or UCS-2, and how many segments a carrier will bill |
//! | [`lock`] | the lease on a conversation: acquire, renew, release, break, idle, fencing token |
//! | [`conversation`] | folders, read state, what an inbound text or a reply does to a thread |
//! | [`message`] | a text and its way to the phone: the delivery lattice |
//! | [`sending`] | who may send what, and every reason against it, in the order of the checks |
//! | [`inbox`], [`team`], [`contact`], [`user`], [`membership`] | whose number it is, who is written to, who may do what |
//! | [`opt_out`] | STOP, START and HELP, who they hold for, and who opened or closed what |
//! | [`out_of_office`] | office hours, closed periods, who gets the automatic answer |
//! | [`import`] | contacts from a spreadsheet: columns, rows, what a row changes; cells that go back into one |
//! | [`template`] | canned responses with merge fields |
//! | [`registration`] | the A2P 10DLC campaign of a team: its states, what the carrier asks for |
//! | [`notice`] | what is told by e-mail, and to whom |
//! | [`field`] | what is wrong with a field: where it is, what was expected |
//! | [`settings`] | names, colors, API codes and addresses, as people enter them |
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

pub mod contact;
pub mod conversation;
pub mod field;
pub mod ids;
pub mod import;
pub mod inbox;
pub mod keys;
pub mod lock;
pub mod media;
pub mod membership;
pub mod message;
pub mod notification;
pub mod opt_out;
pub mod out_of_office;
pub mod phone;
pub mod registration;
pub mod segment;
pub mod sending;
pub mod settings;
pub mod team;
pub mod template;
pub mod time;
pub mod user;

//! Handlers on recorded events: replies and rows out, each event also twice and out of order. The table is a real engine
//! in this process, the carrier is the simulator; only a store that is down is made up, by a port where nobody listens.

#![allow(clippy::unwrap_used, reason = "all of it is a test, its steps that several tests share as well")]

mod delivery;
mod inbound;
mod inbox_sweep;
mod keywords;
mod media;
mod office;
mod reconcile;
mod registration;
mod relay;
mod relay_notices;
mod reviews;
mod sender;
mod shelf;
mod stage;
mod submission;
mod teams;
mod templates;
mod texts_out;
mod voice;
mod wizard;

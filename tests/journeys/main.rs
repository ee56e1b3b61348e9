//! Journeys over HTTP against the deployed template: real bootstraps, permissions enforced, a carrier that
//! can fail.
//!
//! `make journeys` starts a local cloud for them. Each journey has customers and conversations of its own,
//! so they run side by side and again and again against one stack. Times come from the server's answers;
//! the shorter the stack's lock times, the sooner the journeys that wait for them are done.
//!
//! Personal inboxes whose unread count or list a journey looks at belong to it alone: Carla's to
//! `main_job`, Dev's and Farid's to `folders`.

mod access;
mod access_fixture;
mod canaries;
mod carrier_trouble;
mod compose;
mod contacts;
mod conventions;
mod dead_letters;
mod delivery;
mod filters;
mod folders;
mod foreign_ids;
mod imports;
mod inbound;
mod lock;
mod main_job;
mod matrix;
mod media;
mod notices;
mod opt_out;
mod out_of_office;
mod registration;
mod teams;
mod templates;
mod wizard;

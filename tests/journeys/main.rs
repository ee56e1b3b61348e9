//! Journeys over HTTP against the deployed template, with real bootstraps, enforced permissions and a carrier
//! that can fail.
//!
//! `make journeys` starts a local cloud for them. Each journey creates its own contacts and conversations, so
//! journeys can run concurrently and repeatedly against one stack. They read times from the server's
//! responses. Short lock times of the stack make the journeys that wait for them faster.
//!
//! A journey that checks the unread count or the list of a personal inbox is the only one that uses that
//! inbox: `main_job` uses Carla's, `folders` uses Dev's and Farid's.

mod access;
mod access_fixture;
mod broadcast_waits;
mod broadcasts;
mod caching;
mod canaries;
mod carrier_trouble;
mod compose;
mod contacts;
mod conventions;
mod dead_letters;
mod delivery;
mod events;
mod filters;
mod folders;
mod foreign_ids;
mod imports;
mod inbound;
mod keyword_replies;
mod larger_groups;
mod lock;
mod machine_clients;
mod main_job;
mod matrix;
mod media;
mod notices;
mod opt_out;
mod out_of_office;
mod pace;
mod realtime;
mod registration;
mod retention;
mod retries;
mod segments;
mod teams;
mod templates;
mod topic;
mod trace;
mod webhooks;
mod wizard;

//! Tests of the functions on recorded events. The table is an engine in the test process and the carrier is
//! the simulator. Events are also delivered twice, out of order, and to hosts that crash.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may the steps that tests share")]

mod alarms;
mod broadcast_audience;
mod broadcasts;
mod console;
mod contacts;
mod conversations;
mod delivery_status;
mod event_writer;
mod events;
mod examples;
mod inbound_sms;
mod inbound_sweep;
mod inbound_voice;
mod inbox_creation;
mod inbox_reconcile;
mod inboxes;
mod keyword_replies;
mod media_copy;
mod messages;
mod opt_out_reviews;
mod outbound_send;
mod outbox_relay;
mod pace;
mod realtime;
mod registration;
mod registration_check;
mod registration_poll;
mod registration_status;
mod registrations;
mod retention_sweep;
mod segments;
mod send_order;
mod send_reconcile;
mod teams;
mod templates;
mod webhooks;

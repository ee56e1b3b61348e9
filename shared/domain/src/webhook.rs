//! Outgoing webhooks: events that are sent to a URL of an integrator.
//!
//! | module | rule |
//! |---|---|
//! | [`endpoint`] | which events an endpoint gets, and who manages it |
//! | [`url`] | the URLs and addresses that webhooks may reach |
//! | [`signature`] | the secrets of an endpoint, and how requests are signed |
//! | [`delivery`] | the attempts to deliver an event, and when the next one is made |
//! | [`health`] | what failures in a row do to an endpoint: e-mail, circuit, disabling |
//!
//! Requests and signatures follow Standard Webhooks 1.0.0:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

pub mod delivery;
pub mod endpoint;
pub mod health;
pub mod signature;
pub mod url;

//! What the HTTP functions share.
//!
//! A function declares its routes once, with their part of the OpenAPI document, and [`serve`] runs them.
//! Extractors in [`caller`], [`access`], [`request`], [`page`] and [`json`] read the request; a handler lists
//! them in the order in which they can refuse it: who calls (401 and 403), what exists for the caller (404),
//! what the caller can do (403), and the format of the input (400). A handler returns [`json::Json`] or a
//! [`problem::Problem`]. [`wire`] has the types of the bodies.

#![allow(missing_docs, reason = "constructors, fields and variants with clear names")]

pub mod access;
pub mod caller;
pub mod cursor;
pub mod etag;
pub mod idempotency;
pub mod input;
pub mod json;
pub mod list_format;
pub mod page;
pub mod parameters;
pub mod problem;
pub mod refusal;
pub mod reply;
pub mod request;
pub mod routes;
pub mod serve;
pub mod static_file;
pub mod webhook;
pub mod wire;

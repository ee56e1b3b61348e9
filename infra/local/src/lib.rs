//! The local cloud's own parts: what a laptop needs beside the emulator and the template.
//!
//! [`simulator`] stands in for the carrier. It is a program of its own (`carrier-simulator`); the product reaches it
//! only over HTTP, by its base URL.

pub mod simulator;

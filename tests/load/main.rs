//! Load on the real functions in a local cloud. It takes an hour, so only `make load` and `make soak` run it.

#![allow(clippy::unwrap_used, reason = "the whole program is a test")]
#![allow(clippy::cast_precision_loss, reason = "counts are far below the bound")]

mod broadcast;
mod memory;
mod soak;

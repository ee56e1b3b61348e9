//! Faults on demand.

pub(crate) mod fault;
pub(crate) mod middleware;

//! What every function needs to live in Lambda: configuration, clock, logging, the event loop and the batch
//! loop of queue workers. It calls no AWS API; that is `shared_aws`.

pub mod clock;
pub mod config;
pub mod metric;
pub mod queue;
pub mod telemetry;

mod run;

pub use lambda_runtime::Error;
pub use run::run;

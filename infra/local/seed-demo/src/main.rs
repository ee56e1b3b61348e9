//! Adds demo data to the local cloud and prints a description of the data as one JSON document.

use clap::Parser;
use inboxctl::{Operator, operator};
use seed_demo::{Failure, Options, Site};
use shared_aws::clients::Stack;
use shared_lambda::clock;

/// Adds demo data to an empty stack
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Name of the stack. The environment has its region, endpoint and credentials
    #[arg(long)]
    stack: String,
    /// Base URL of the API
    #[arg(long)]
    api_url: String,
    /// URL of the carrier simulator
    #[arg(long)]
    carrier_url: String,
    /// Account at the carrier simulator
    #[arg(long)]
    account_sid: String,
    /// Token of the account
    #[arg(long)]
    auth_token: String,
    /// Confirms the campaigns as registered outside the product, with this many segments per second, instead
    /// of registering them at the simulator
    #[arg(long)]
    registered_elsewhere: Option<u32>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let aws = operator::aws(None)?;
    let stack = Stack::read(&aws, &arguments.stack).await?;
    let operator = Operator::of_stack(&aws, &stack, clock::now(), clock::entropy())?;
    let Arguments { api_url, carrier_url, account_sid, auth_token, registered_elsewhere, .. } = arguments;
    let site = Site { api_url, carrier_url, account: (account_sid, auth_token) };
    let options = Options { registered_elsewhere, workers: true, ..Options::default() };
    let data = seed_demo::seed(&operator, site, options).await?;
    #[allow(clippy::print_stdout, reason = "standard output is the result of this program")]
    {
        println!("{}", serde_json::to_string(&data)?);
    }
    Ok(())
}

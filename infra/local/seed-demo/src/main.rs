//! Adds demo data to the local cloud and prints a description of the data as one JSON document.

use std::time::Duration;

use clap::Parser;
use inboxctl::{Operator, operator};
use seed_demo::Failure;
use shared_aws::{clients::Stack, table::Table};
use shared_carriers::twilio::{Client, Credentials};
use shared_lambda::clock;

/// Adds demo data to an empty table
#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Name of the stack. The environment has its region, endpoint and credentials
    #[arg(long)]
    stack: String,
    /// Brand of the registered team's campaign
    #[arg(long)]
    brand_sid: String,
    /// Public base URL of the product, which the numbers send calls and messages to
    #[arg(long)]
    webhook_base: String,
    /// Segments per second that the campaigns allow
    #[arg(long)]
    segments_per_second: u32,
    /// URL of a carrier simulator, to create the numbers and the campaign there as well
    #[arg(long, requires = "account_sid", requires = "auth_token")]
    carrier_url: Option<String>,
    /// Account at the carrier simulator
    #[arg(long)]
    account_sid: Option<String>,
    /// Token of the account
    #[arg(long)]
    auth_token: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let aws = operator::aws(None)?;
    let stack = Stack::read(&aws, &options.stack).await?;
    let operator = Operator::of_stack(&aws, &stack, clock::now(), clock::entropy())?;
    let table = Table::of(&aws, stack.output("TableName")?);
    let carrier = carrier_client(&options)?;
    let Options { webhook_base, brand_sid, segments_per_second: rate, .. } = options;
    let data = seed_demo::seed(&operator, table, carrier, webhook_base, brand_sid, rate, None).await?;
    #[allow(clippy::print_stdout, reason = "standard output is the result of this program")]
    {
        println!("{}", serde_json::to_string(&data)?);
    }
    Ok(())
}

fn carrier_client(options: &Options) -> Result<Option<Client>, Failure> {
    let (Some(url), Some(account), Some(token)) =
        (&options.carrier_url, &options.account_sid, &options.auth_token)
    else {
        return Ok(None);
    };
    let credentials =
        Credentials { account_sid: account.clone(), username: account.clone(), password: token.clone() };
    let client = Client::new(url, credentials, Duration::from_secs(5))?;
    Ok(Some(client.with_messaging_url(url)?))
}

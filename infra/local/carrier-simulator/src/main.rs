//! Starts the carrier simulator on loopback. Prints its URL on standard output when it is ready.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

use carrier_simulator::Settings;
use clap::Parser;
use clap::builder::NonEmptyStringValueParser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

/// Simulates Twilio's HTTP API for messages, phone numbers and their registration on this machine
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port on 127.0.0.1; 0 chooses a free port
    #[arg(long, env = "CARRIER_PORT", default_value_t = 0)]
    port: u16,
    /// Account sid, the only account of the simulator
    #[arg(long, env = "TWILIO_ACCOUNT_SID", value_parser = account_sid)]
    account_sid: String,
    /// Token of the account: its password, and the key of webhook signatures
    #[arg(long, env = "TWILIO_AUTH_TOKEN", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    auth_token: String,
    /// Base URL of the product, whose media the phone page may show
    #[arg(long, env = "WEBHOOK_BASE_URL", value_parser = web_address)]
    webhook_base: String,
    /// Milliseconds before each of the statuses queued, sending, sent, and delivered
    #[arg(long, env = "CARRIER_STEP_MILLIS", default_value_t = 150)]
    step_millis: u64,
    /// Segments per second that a verified campaign allows its numbers together; other numbers send one
    #[arg(long, env = "SEGMENTS_PER_SECOND", default_value_t = carrier_simulator::DEFAULT_SEGMENTS_PER_SECOND)]
    segments_per_second: u32,
    /// Seconds that a response is delayed under the fault `timeout-after`
    #[arg(long, env = "CARRIER_HOLD_SECONDS", default_value_t = 30)]
    hold_seconds: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .with_writer(io::stderr)
        .init();

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await?;
    writeln!(io::stdout(), "carrier simulator listening on http://{}", listener.local_addr()?)?;

    tokio::select! {
        served = carrier_simulator::serve(listener, settings(arguments)) => served,
        _ = terminate.recv() => std::process::exit(0), // there is no state to save
        _ = interrupt.recv() => std::process::exit(0),
    }
}

fn settings(arguments: Arguments) -> Settings {
    Settings {
        account_sid: arguments.account_sid,
        auth_token: arguments.auth_token,
        webhook_base: arguments.webhook_base,
        step: Duration::from_millis(arguments.step_millis),
        segments_per_second: arguments.segments_per_second.max(1),
        hold: Duration::from_secs(arguments.hold_seconds),
    }
}

fn account_sid(text: &str) -> Result<String, &'static str> {
    if text.starts_with("AC") { Ok(text.to_owned()) } else { Err("an account sid starts with AC") }
}

fn web_address(text: &str) -> Result<String, &'static str> {
    let text = text.trim_end_matches('/');
    match url::Url::parse(text) {
        Ok(url) if url.has_host() && matches!(url.scheme(), "http" | "https") => Ok(text.to_owned()),
        _ => Err("must be an http or https URL"),
    }
}

//! Starts the server and prints how to call it.

use std::io::{self, Write};

use api_server::Server;
use clap::Parser;
use seed_demo::Failure;

/// Runs all HTTP functions in one process on this machine, with demo data in memory
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port on 127.0.0.1; 0 chooses a free port
    #[arg(long, env = "PORT", default_value_t = 3000)]
    port: u16,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let server = Server::start(Arguments::parse().port).await?;
    print(&server)?;
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    Ok(())
}

fn print(server: &Server) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Console  {}/console/ (any password)", server.url)?;
    writeln!(out, "API      {}", server.url)?;
    writeln!(out, "Carrier  {}\n", server.carrier_url)?;
    for token in server.tokens.users() {
        writeln!(out, "curl -s -H 'Authorization: Bearer {token}' {}/v1/me", server.url)?;
    }
    writeln!(out, "\nAll data is in memory. Stop with Ctrl-C.")
}

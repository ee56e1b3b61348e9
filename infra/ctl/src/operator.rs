//! What commands work on: the table, the user pool and the clients of one stack.

use std::process::Command;

use aws_credential_types::Credentials;
use serde::Deserialize;
use shared_aws::{
    clients::{Aws, Stack, UserDirectory},
    table::Table,
    team::{AuditEvent, Members, Organization, Organizations},
};
use shared_domain::{
    ids::{OrganizationId, UserId},
    time::Timestamp,
};

use crate::error::Error;

/// The name of the operator in audit trails.
const ACTOR: &str = "inboxctl";

/// The stores and the user pool of a stack, and the time of the command.
#[derive(Debug, Clone)]
pub struct Operator {
    pub organizations: Organizations,
    pub members: Members,
    /// `None` if the stack has a foreign issuer of tokens.
    pub pool: Option<Pool>,
    pub now: Timestamp,
    pub entropy: u64,
    pub(crate) table: Table,
    pub(crate) actor: UserId,
}

/// The user pool of a stack with the app clients that the template creates.
#[derive(Debug, Clone)]
pub struct Pool {
    pub users: UserDirectory,
    pub web_client: String,
    pub machine_client: String,
    /// Machine clients that were added to the pool later and whose tokens the API accepts.
    pub more_machine_clients: Vec<String>,
    /// Whether the pool is one of a local cloud.
    pub is_local: bool,
}

impl Operator {
    /// Uses a table and a pool.
    #[expect(clippy::missing_panics_doc, reason = "the name of the operator is a valid ID")]
    pub fn new(table: Table, pool: Option<Pool>, now: Timestamp, entropy: u64) -> Self {
        Self {
            organizations: Organizations::new(table.clone()),
            members: Members::new(table.clone()),
            table,
            pool,
            now,
            entropy,
            actor: UserId::parse(ACTOR).expect("a valid ID"),
        }
    }

    /// Finds the table and the pool of a stack by its outputs.
    pub fn of_stack(aws: &Aws, stack: &Stack, now: Timestamp, entropy: u64) -> Result<Self, Error> {
        let pool = match stack.optional_output("UserPoolId") {
            Some(id) => Some(Pool {
                users: UserDirectory::new(aws, id),
                web_client: stack.output("WebClientId")?.to_owned(),
                machine_client: stack.output("MachineClientId")?.to_owned(),
                more_machine_clients: stack
                    .parameter("MachineClientIds")
                    .map(|ids| ids.split(',').map(str::to_owned).collect())
                    .unwrap_or_default(),
                is_local: aws.is_loopback(),
            }),
            None => None,
        };
        Ok(Self::new(Table::of(aws, stack.output("TableName")?), pool, now, entropy))
    }

    /// Returns an operator for another command at another time.
    #[must_use]
    pub fn at(&self, now: Timestamp, entropy: u64) -> Self {
        Self { now, entropy, ..self.clone() }
    }

    pub(crate) fn event<'a>(&'a self, action: &'static str, target: &'a str) -> AuditEvent<'a> {
        AuditEvent { actor: &self.actor, action, target, at: self.now, entropy: self.entropy }
    }

    /// Returns an organization by its ID.
    pub(crate) async fn organization(&self, id: &str) -> Result<Organization, Error> {
        let parsed = OrganizationId::parse(id)
            .map_err(|error| Error::Invalid { argument: "organization", expected: error.to_string() })?;
        let found = self.organizations.get(&parsed).await?;
        found.ok_or_else(|| {
            Error::Conflict(format!(
                "There is no organization {id}. `inboxctl organization list` lists them."
            ))
        })
    }
}

/// Returns the settings of AWS clients: from the environment, or else from the AWS CLI, which knows profiles
/// and single sign-on.
pub fn aws(region: Option<String>) -> Result<Aws, Error> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let region = region
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .or_else(|| cli(&["configure", "get", "region"]).ok())
        .ok_or(Error::NoRegion)?;
    let credentials = match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(key), Some(secret)) => {
            Credentials::new(key, secret, variable("AWS_SESSION_TOKEN"), None, "environment")
        }
        _ => credentials_of_cli()?,
    };
    Ok(Aws::new(region, credentials, variable("AWS_ENDPOINT_URL")))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CliCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

fn credentials_of_cli() -> Result<Credentials, Error> {
    let text = cli(&["configure", "export-credentials"]).map_err(Error::NoCredentials)?;
    let found: CliCredentials = serde_json::from_str(&text)
        .map_err(|_| Error::NoCredentials("the AWS CLI printed no credentials".into()))?;
    let CliCredentials { access_key_id, secret_access_key, session_token } = found;
    Ok(Credentials::new(access_key_id, secret_access_key, session_token, None, "AWS CLI"))
}

/// Returns what the AWS CLI prints.
fn cli(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("aws").args(arguments).output();
    let output = output.map_err(|_| "the AWS CLI is not installed".to_owned())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    // A usage message follows the error of an old version, so only the status is reported.
    if output.status.success() { Ok(text) } else { Err("the AWS CLI has none, or is older than 2.9".into()) }
}

//! The stack's user pool as an operator administers it: users with their identity in the product, and the app
//! clients of machines. Users sign in with [`UserPool`](super::UserPool).
//!
//! The claims `custom:organization_id` and `custom:user_id` decide what a token may do. They are written
//! here, with AWS credentials, and no app client lets users write them.

use serde::Deserialize;
use serde_json::{Value, json};
use shared_domain::{
    ids::{OrganizationId, UserId},
    time::Timestamp,
};

use crate::clients::{
    client::Aws,
    json_api::{CallError, JsonApi},
};

const ORGANIZATION: &str = "custom:organization_id";
const USER: &str = "custom:user_id";
const SEND_SCOPE: &str = "shared-inbox/send";

/// Cognito did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// `code` is Cognito's error code.
    #[error("Cognito refused the request ({code})")]
    Refused { code: String },
    #[error("Cognito did not answer")]
    Unavailable,
}

impl DirectoryError {
    fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code } if code == wanted)
    }
}

impl From<CallError> for DirectoryError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused { code, .. } => Self::Refused { code },
            CallError::Unexpected(problem) => Self::Refused { code: problem },
            CallError::Unavailable(_) => Self::Unavailable,
        }
    }
}

/// A user to add to the pool.
#[derive(Debug, Clone, Copy)]
pub struct NewDirectoryUser<'a> {
    pub organization: &'a OrganizationId,
    pub id: &'a UserId,
    pub name: &'a str,
    pub email: &'a str,
    /// Whether Cognito sends an e-mail with a temporary password.
    pub invite: bool,
}

/// A user of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryUser {
    /// The organization in the user's tokens. Empty if it was never set.
    pub organization: String,
    /// The user ID in the user's tokens. Empty if it was never set.
    pub id: String,
}

impl DirectoryUser {
    /// Whether the tokens of this user identify this user of this organization.
    pub fn is(&self, organization: &OrganizationId, id: &UserId) -> bool {
        self.organization == organization.as_str() && self.id == id.as_str()
    }
}

/// The outcome of adding a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddUserOutcome {
    Added,
    /// The e-mail address belongs to a user of the pool.
    EmailTaken(DirectoryUser),
}

/// The client ID and the secret of a machine.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MachineCredentials {
    pub client_id: String,
    pub client_secret: String,
}

impl std::fmt::Debug for MachineCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineCredentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// The users and app clients of a stack's pool. E-mail addresses are the names that users sign in with.
#[derive(Clone)]
pub struct UserDirectory {
    cognito: JsonApi,
    pool: String,
}

impl std::fmt::Debug for UserDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserDirectory").field("pool", &self.pool).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserResponse {
    #[serde(default)]
    user_attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretsResponse {
    client_secrets: Vec<SecretDescriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretResponse {
    client_secret_descriptor: SecretDescriptor,
}

#[derive(Deserialize)]
struct SecretDescriptor {
    #[serde(rename = "ClientSecretId")]
    id: String,
    /// Only in the response to its creation.
    #[serde(rename = "ClientSecretValue")]
    value: Option<String>,
    /// Seconds since 1970.
    #[serde(rename = "ClientSecretCreateDate")]
    create_date: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ClientResponse {
    user_pool_client: MachineCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AuthResponse {
    authentication_result: Option<AuthResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AuthResult {
    id_token: String,
}

impl UserDirectory {
    pub fn new(aws: &Aws, pool: impl Into<String>) -> Self {
        Self { cognito: JsonApi::cognito(aws), pool: pool.into() }
    }

    /// Finds a user by e-mail address.
    pub async fn find(&self, email: &str, now: Timestamp) -> Result<Option<DirectoryUser>, DirectoryError> {
        match self.call("AdminGetUser", json!({ "Username": email }), now).await {
            Ok(body) => {
                let UserResponse { user_attributes } = parse(&body)?;
                let attribute = |name: &str| {
                    let found = user_attributes.iter().find(|attribute| attribute.name == name);
                    found.map(|attribute| attribute.value.clone()).unwrap_or_default()
                };
                Ok(Some(DirectoryUser { organization: attribute(ORGANIZATION), id: attribute(USER) }))
            }
            Err(error) if error.has_code("UserNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds a user. Does not change a user who exists.
    pub async fn add(
        &self,
        user: &NewDirectoryUser<'_>,
        now: Timestamp,
    ) -> Result<AddUserOutcome, DirectoryError> {
        let attributes = [
            ("email", user.email),
            ("email_verified", "true"),
            ("name", user.name),
            (ORGANIZATION, user.organization.as_str()),
            (USER, user.id.as_str()),
        ];
        let attributes = attributes.map(|(name, value)| json!({ "Name": name, "Value": value }));
        let mut body = json!({
            "Username": user.email, "UserAttributes": attributes, "DesiredDeliveryMediums": ["EMAIL"],
        });
        if !user.invite {
            body["MessageAction"] = "SUPPRESS".into();
        }
        match self.call("AdminCreateUser", body, now).await {
            Ok(_) => Ok(AddUserOutcome::Added),
            Err(error) if error.has_code("UsernameExistsException") => {
                let taken = self.find(user.email, now).await?.ok_or(DirectoryError::Unavailable)?;
                Ok(AddUserOutcome::EmailTaken(taken))
            }
            Err(error) => Err(error),
        }
    }

    /// Changes the address that a user signs in with. `false` if no user has the old one.
    pub async fn change_email(
        &self,
        email: &str,
        new_email: &str,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let attributes = json!([
            { "Name": "email", "Value": new_email },
            { "Name": "email_verified", "Value": "true" },
        ]);
        let body = json!({ "Username": email, "UserAttributes": attributes });
        match self.call("AdminUpdateUserAttributes", body, now).await {
            Ok(_) => Ok(true),
            Err(error) if error.has_code("UserNotFoundException") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes a user and ends their sessions. Does nothing if the user does not exist.
    pub async fn remove(&self, email: &str, now: Timestamp) -> Result<(), DirectoryError> {
        match self.call("AdminDeleteUser", json!({ "Username": email }), now).await {
            Err(error) if !error.has_code("UserNotFoundException") => Err(error),
            _ => Ok(()),
        }
    }

    /// Sets a password that the user need not change.
    pub async fn set_password(
        &self,
        email: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let body = json!({ "Username": email, "Password": password, "Permanent": true });
        self.call("AdminSetUserPassword", body, now).await.map(drop)
    }

    /// Signs in with a password and returns the ID token. `None` if the user must choose a password first.
    pub async fn sign_in(
        &self,
        client_id: &str,
        email: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<Option<String>, DirectoryError> {
        let parameters = json!({ "USERNAME": email, "PASSWORD": password });
        let body = json!({
            "ClientId": client_id, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH", "AuthParameters": parameters,
        });
        let response: AuthResponse = parse(&self.call("AdminInitiateAuth", body, now).await?)?;
        Ok(response.authentication_result.map(|result| result.id_token))
    }

    /// Returns the secret of an app client.
    pub async fn machine(
        &self,
        client_id: &str,
        now: Timestamp,
    ) -> Result<MachineCredentials, DirectoryError> {
        let body = self.call("DescribeUserPoolClient", json!({ "ClientId": client_id }), now).await?;
        Ok(parse::<ClientResponse>(&body)?.user_pool_client)
    }

    /// Creates an app client that can only get tokens with its own secret.
    pub async fn create_machine(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<MachineCredentials, DirectoryError> {
        let body = json!({
            "ClientName": name,
            "GenerateSecret": true,
            "ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH"],
            "ReadAttributes": ["email"],
            "WriteAttributes": ["email"],
            "EnableTokenRevocation": true,
            "AllowedOAuthFlowsUserPoolClient": true,
            "AllowedOAuthFlows": ["client_credentials"],
            "AllowedOAuthScopes": [SEND_SCOPE],
        });
        let body = self.call("CreateUserPoolClient", body, now).await?;
        Ok(parse::<ClientResponse>(&body)?.user_pool_client)
    }

    /// Returns the IDs of the secrets of an app client, oldest first. There are two at most.
    pub async fn machine_secrets(
        &self,
        client_id: &str,
        now: Timestamp,
    ) -> Result<Vec<String>, DirectoryError> {
        let body = self.call("ListUserPoolClientSecrets", json!({ "ClientId": client_id }), now).await?;
        let mut secrets = parse::<SecretsResponse>(&body)?.client_secrets;
        secrets.sort_by(|one, other| one.create_date.total_cmp(&other.create_date));
        Ok(secrets.into_iter().map(|secret| secret.id).collect())
    }

    /// Adds a secret to an app client and returns it. The other one stays valid. `None` if the client has two
    /// secrets.
    pub async fn add_machine_secret(
        &self,
        client_id: &str,
        now: Timestamp,
    ) -> Result<Option<String>, DirectoryError> {
        let body = match self.call("AddUserPoolClientSecret", json!({ "ClientId": client_id }), now).await {
            Err(error) if error.has_code("LimitExceededException") => return Ok(None),
            response => response?,
        };
        let added = parse::<SecretResponse>(&body)?.client_secret_descriptor.value;
        added.map(Some).ok_or_else(|| DirectoryError::Refused { code: "no secret in the response".into() })
    }

    /// Deletes a secret of an app client. Tokens that it got stay valid until they expire. Does nothing if
    /// there is no such secret.
    pub async fn remove_machine_secret(
        &self,
        client_id: &str,
        secret_id: &str,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let body = json!({ "ClientId": client_id, "ClientSecretId": secret_id });
        match self.call("DeleteUserPoolClientSecret", body, now).await {
            Err(error) if !error.has_code("ResourceNotFoundException") => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes an app client. Does nothing if it does not exist.
    pub async fn remove_machine(&self, client_id: &str, now: Timestamp) -> Result<(), DirectoryError> {
        match self.call("DeleteUserPoolClient", json!({ "ClientId": client_id }), now).await {
            Err(error) if !error.has_code("ResourceNotFoundException") => Err(error),
            _ => Ok(()),
        }
    }

    async fn call(&self, action: &str, mut body: Value, now: Timestamp) -> Result<Vec<u8>, DirectoryError> {
        body["UserPoolId"] = self.pool.as_str().into();
        Ok(self.cognito.signed_call(action, &body, now).await?)
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, DirectoryError> {
    serde_json::from_slice(body).map_err(|_| DirectoryError::Refused { code: "unreadable response".into() })
}

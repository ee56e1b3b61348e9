//! The stack's user pool as an operator administers it: users with their identity in the product, and the app
//! clients of machines. Users sign in with [`UserPool`](super::UserPool).
//!
//! The claims `custom:organization_id` and `custom:user_id` decide what a token may do. They are written
//! here, with AWS credentials, and no app client lets users write them.

use aws_sdk_cognitoidentityprovider::{
    Client,
    error::{BuildError, ProvideErrorMetadata, SdkError},
    types::{
        AttributeType, AuthFlowType, DeliveryMediumType, ExplicitAuthFlowsType, MessageActionType,
        OAuthFlowType,
    },
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use shared_domain::ids::{OrganizationId, UserId};

use crate::clients::client::Aws;

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

impl<E: ProvideErrorMetadata> From<SdkError<E, HttpResponse>> for DirectoryError {
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        error.code().map_or(Self::Unavailable, |code| Self::Refused { code: code.to_owned() })
    }
}

impl From<BuildError> for DirectoryError {
    fn from(_: BuildError) -> Self {
        Self::Refused { code: "incomplete request".into() }
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
#[derive(Clone)]
pub struct MachineCredentials {
    pub client_id: String,
    pub client_secret: String,
}

impl std::fmt::Debug for MachineCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineCredentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// The user pool of a stack. E-mail addresses are the names that users sign in with.
#[derive(Debug, Clone)]
pub struct UserDirectory {
    client: Client,
    id: String,
}

impl UserDirectory {
    pub fn new(aws: &Aws, id: impl Into<String>) -> Self {
        Self { client: aws.cognito(), id: id.into() }
    }

    /// Finds a user by e-mail address.
    pub async fn find(&self, email: &str) -> Result<Option<DirectoryUser>, DirectoryError> {
        match self.client.admin_get_user().user_pool_id(&self.id).username(email).send().await {
            Ok(found) => Ok(Some(DirectoryUser {
                organization: attribute(found.user_attributes(), ORGANIZATION),
                id: attribute(found.user_attributes(), USER),
            })),
            Err(error) if error.code() == Some("UserNotFoundException") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds a user. Does not change a user who exists.
    pub async fn add(&self, user: &NewDirectoryUser<'_>) -> Result<AddUserOutcome, DirectoryError> {
        let attributes = [
            ("email", user.email),
            ("email_verified", "true"),
            ("name", user.name),
            (ORGANIZATION, user.organization.as_str()),
            (USER, user.id.as_str()),
        ];
        let mut request = self.client.admin_create_user().user_pool_id(&self.id).username(user.email);
        for (name, value) in attributes {
            request = request.user_attributes(AttributeType::builder().name(name).value(value).build()?);
        }
        let request = if user.invite {
            request.desired_delivery_mediums(DeliveryMediumType::Email)
        } else {
            request.message_action(MessageActionType::Suppress)
        };
        match request.send().await {
            Ok(_) => Ok(AddUserOutcome::Added),
            Err(error) if error.code() == Some("UsernameExistsException") => {
                let taken = self.find(user.email).await?.ok_or(DirectoryError::Unavailable)?;
                Ok(AddUserOutcome::EmailTaken(taken))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends the invitation again, with a new temporary password.
    pub async fn invite_again(&self, email: &str) -> Result<(), DirectoryError> {
        let request = self.client.admin_create_user().user_pool_id(&self.id).username(email);
        request.message_action(MessageActionType::Resend).send().await?;
        Ok(())
    }

    /// Removes a user and ends their sessions. Does nothing if the user does not exist.
    pub async fn remove(&self, email: &str) -> Result<(), DirectoryError> {
        match self.client.admin_delete_user().user_pool_id(&self.id).username(email).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("UserNotFoundException") => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets a password that the user need not change.
    pub async fn set_password(&self, email: &str, password: &str) -> Result<(), DirectoryError> {
        let request = self.client.admin_set_user_password().user_pool_id(&self.id).username(email);
        request.password(password).permanent(true).send().await?;
        Ok(())
    }

    /// Signs in with a password and returns the ID token. `None` if the user must choose a password first.
    pub async fn sign_in(
        &self,
        client_id: &str,
        email: &str,
        password: &str,
    ) -> Result<Option<String>, DirectoryError> {
        let request = self.client.admin_initiate_auth().user_pool_id(&self.id).client_id(client_id);
        let request = request
            .auth_flow(AuthFlowType::AdminUserPasswordAuth)
            .auth_parameters("USERNAME", email)
            .auth_parameters("PASSWORD", password);
        Ok(request.send().await?.authentication_result.and_then(|result| result.id_token))
    }

    /// Returns the secret of an app client.
    pub async fn machine(&self, client_id: &str) -> Result<MachineCredentials, DirectoryError> {
        let request = self.client.describe_user_pool_client().user_pool_id(&self.id).client_id(client_id);
        let client = request.send().await?.user_pool_client.ok_or(DirectoryError::Unavailable)?;
        credentials(client.client_id, client.client_secret)
    }

    /// Creates an app client that can only get tokens with its own secret.
    pub async fn create_machine(&self, name: &str) -> Result<MachineCredentials, DirectoryError> {
        let request = self.client.create_user_pool_client().user_pool_id(&self.id).client_name(name);
        let created = request
            .generate_secret(true)
            .explicit_auth_flows(ExplicitAuthFlowsType::AllowRefreshTokenAuth)
            .read_attributes("email")
            .write_attributes("email")
            .enable_token_revocation(true)
            .allowed_o_auth_flows_user_pool_client(true)
            .allowed_o_auth_flows(OAuthFlowType::ClientCredentials)
            .allowed_o_auth_scopes(SEND_SCOPE)
            .send()
            .await?;
        let client = created.user_pool_client.ok_or(DirectoryError::Unavailable)?;
        credentials(client.client_id, client.client_secret)
    }
}

fn attribute(attributes: &[AttributeType], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.name() == name);
    found.and_then(|attribute| attribute.value()).unwrap_or_default().to_owned()
}

fn credentials(id: Option<String>, secret: Option<String>) -> Result<MachineCredentials, DirectoryError> {
    let (client_id, client_secret) = id.zip(secret).ok_or(DirectoryError::Unavailable)?;
    Ok(MachineCredentials { client_id, client_secret })
}

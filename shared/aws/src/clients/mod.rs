//! AWS services other than the table: S3, SQS, SES, Secrets Manager, Cognito, `CloudWatch` Logs and
//! CloudFormation.

pub(crate) mod batches;
pub(crate) mod bucket;
pub(crate) mod cached_secret;
pub(crate) mod client;
pub(crate) mod json_api;
pub(crate) mod logs;
pub(crate) mod mail;
pub(crate) mod mail_identity;
pub(crate) mod queue;
pub(crate) mod secrets;
pub(crate) mod signing_secret;
pub(crate) mod stack;
pub(crate) mod user_directory;
pub(crate) mod user_pool;

pub use self::{
    bucket::{Bucket, BucketError, DeletedFile, Disposition, Head},
    cached_secret::CachedSecret,
    client::Aws,
    logs::{LogError, LogLine, LogReader},
    mail::{Mail, Mailer, Sent},
    mail_identity::is_verified_sender,
    queue::{
        BroadcastJob, BroadcastQueue, DeadLetter, DeadLetterQueue, Greeting, ImportJob, ImportQueue,
        InvalidJob, MailQueue, MediaJob, MediaQueue, QueueError, RealtimeQueue, ReceivedSends,
        RegistrationJob, RegistrationQueue, SendJob, SendQueues, SignOut, WebhookJob, WebhookQueue,
    },
    secrets::{CarrierSecret, EventStreamsLogin, SecretError, Secrets},
    signing_secret::SigningSecret,
    stack::{Stack, StackError},
    user_directory::{
        AddUserOutcome, DirectoryError, DirectoryUser, MachineCredentials, NewDirectoryUser, UserDirectory,
    },
    user_pool::{Challenge, SignIn, Tokens, UserPool, UserPoolError},
};

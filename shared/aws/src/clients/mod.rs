//! AWS services other than the table: S3, SQS, SES, Secrets Manager and Cognito.

pub(crate) mod bucket;
pub(crate) mod client;
pub(crate) mod mail;
pub(crate) mod queue;
pub(crate) mod secrets;
pub(crate) mod user_pool;

pub use self::{
    bucket::{Bucket, BucketError, Disposition, Head},
    client::Aws,
    mail::{Mail, Mailer, Sent},
    queue::{
        ImportJob, ImportQueue, InvalidJob, MailQueue, MediaJob, MediaQueue, QueueError, ReceivedSends,
        RegistrationJob, RegistrationQueue, SendJob, SendQueue,
    },
    secrets::{CarrierSecret, EventStreamsLogin, SecretError, Secrets},
    user_pool::{Challenge, SignIn, Tokens, UserPool, UserPoolError},
};

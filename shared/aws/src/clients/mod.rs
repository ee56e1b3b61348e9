//! AWS services other than the table: S3, SQS, SES and Secrets Manager.

pub(crate) mod bucket;
pub(crate) mod client;
pub(crate) mod mail;
pub(crate) mod queue;
pub(crate) mod secrets;

pub use self::{
    bucket::{Bucket, BucketError, Disposition, Head},
    client::Aws,
    mail::{Mail, Mailer, Sent},
    queue::{
        ImportJob, ImportQueue, InvalidJob, MailQueue, MediaJob, MediaQueue, QueueError, RegistrationJob,
        RegistrationQueue, SendJob, SendQueue,
    },
    secrets::{CarrierSecret, EventStreamsLogin, SecretError, Secrets},
};

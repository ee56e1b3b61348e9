//! Sends e-mails with SES (version 2, `SendEmail` with simple content). SES has no idempotency keys: if a
//! response is lost, the e-mail may have been sent. [`Sent`] distinguishes this case from a certain failure.

use std::{error::Error, fmt, io, time::Duration};

use aws_sdk_sesv2::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextMut,
        timeout::TimeoutConfig,
    },
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::send_email::SendEmailError,
    types::{Body, Content, Destination, EmailContent, Message},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{dns::ResolveDnsError, orchestrator::HttpResponse, result::DispatchFailure},
};

use crate::clients::client::Aws;

/// Longer than for other services, because an e-mail whose response is late is not sent again.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An e-mail to one recipient. `Debug` prints none of it, so that no address or text is logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    pub to: String,
    /// One line.
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail(…)")
    }
}

/// The result of sending an e-mail. A code is the name of SES's error, or a short description if there is
/// none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// SES accepted the e-mail and will try to deliver it. `id` is SES's message id.
    Accepted { id: String },
    /// SES refuses the content, the recipient or the sender, so a retry would fail as well.
    Refused { code: String },
    /// Not sent, for a reason outside the e-mail. A later attempt can succeed.
    NotSent { code: String },
    /// The response was lost. The e-mail may have been sent.
    Unknown { code: String },
}

/// Sends e-mails from one address. Does not retry.
#[derive(Debug, Clone)]
pub struct Mailer {
    client: Client,
    from: String,
    configuration_set: Option<String>,
}

impl Mailer {
    /// Creates a mailer. `from` is a verified address or `Name <address>`.
    pub fn new(aws: &Aws, from: String, configuration_set: Option<String>) -> Self {
        // No read timeout, so that a timeout of the connector always means that there was no connection.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(RESPONSE_TIMEOUT)
            .operation_timeout(RESPONSE_TIMEOUT)
            .build();
        let config = aws.mail().config().to_builder().timeout_config(timeouts).interceptor(FreshConnection);
        Self { client: Client::from_conf(config.build()), from, configuration_set }
    }

    /// Sends an e-mail.
    pub async fn send(&self, mail: &Mail) -> Sent {
        let Ok(content) = content(mail) else { return Sent::NotSent { code: "not built".into() } };
        let answer = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(&mail.to).build())
            .content(content)
            .set_configuration_set_name(self.configuration_set.clone())
            .send()
            .await;
        match answer {
            Ok(accepted) => Sent::Accepted { id: accepted.message_id.unwrap_or_default() },
            Err(error) => result_of(&error),
        }
    }
}

fn content(mail: &Mail) -> Result<EmailContent, BuildError> {
    let part = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder().text(part(&mail.text)?).html(part(&mail.html)?).build();
    let message = Message::builder().subject(part(&mail.subject)?).body(body).build();
    Ok(EmailContent::builder().simple(message).build())
}

/// Sends each e-mail over a new connection. A function can be frozen between two events for longer than SES
/// keeps a connection open, and the result of an e-mail written to a closed connection is unknown. The header
/// is added after signing, because proxies may remove it.
#[derive(Debug)]
struct FreshConnection;

impl Intercept for FreshConnection {
    fn name(&self) -> &'static str {
        "FreshConnection"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().insert("connection", "close");
        Ok(())
    }
}

fn result_of(error: &SdkError<SendEmailError, HttpResponse>) -> Sent {
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code().map_or_else(|| format!("status {status}"), ToOwned::to_owned);
            result_of_response(service.err(), status, code)
        }
        SdkError::ConstructionFailure(_) => Sent::NotSent { code: "not built".into() },
        SdkError::DispatchFailure(failure) if failed_to_connect(failure) => {
            Sent::NotSent { code: "no connection".into() }
        }
        SdkError::DispatchFailure(_) => Sent::Unknown { code: "connection lost".into() },
        SdkError::TimeoutError(_) => Sent::Unknown { code: "timed out".into() },
        _ => Sent::Unknown { code: "unreadable response".into() },
    }
}

/// Three of SES's errors are about the e-mail. All others below 500 (too many requests, a quota, a paused or
/// suspended account, a missing configuration set, credentials) are about the account, so a later attempt can
/// succeed. After a 408 it is unknown how much of the request SES has read.
fn result_of_response(error: &SendEmailError, status: u16, code: String) -> Sent {
    use SendEmailError::{BadRequestException, MailFromDomainNotVerifiedException, MessageRejected};
    match (error, status) {
        (BadRequestException(_) | MailFromDomainNotVerifiedException(_) | MessageRejected(_), _) => {
            Sent::Refused { code }
        }
        (_, 408) => Sent::Unknown { code },
        (_, 400..500) => Sent::NotSent { code },
        _ => Sent::Unknown { code },
    }
}

/// Whether the request failed before there was a connection. `false` for errors that can also occur later.
fn failed_to_connect(failure: &DispatchFailure) -> bool {
    let unreachable = |error: &(dyn Error + 'static)| {
        error.is::<ResolveDnsError>()
            || error.downcast_ref::<io::Error>().is_some_and(|error| is_connection_error(error.kind()))
    };
    let first = failure.as_connector_error().map(|error| error as &(dyn Error + 'static));
    failure.is_timeout() || std::iter::successors(first, |&error| error.source()).any(unreachable)
}

fn is_connection_error(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable,
    };
    matches!(kind, ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sesv2::{
        error::ErrorMetadata,
        types::error::{
            AccountSuspendedException, BadRequestException, LimitExceededException,
            MailFromDomainNotVerifiedException, MessageRejected, NotFoundException, SendingPausedException,
            TooManyRequestsException,
        },
    };
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    type Failure = SdkError<SendEmailError, HttpResponse>;

    fn answered(status: u16, error: SendEmailError) -> Sent {
        let answer = HttpResponse::new(status.try_into().unwrap(), "".into());
        result_of(&Failure::service_error(error, answer))
    }

    fn named(code: &str) -> SendEmailError {
        SendEmailError::generic(ErrorMetadata::builder().code(code).build())
    }

    #[test]
    fn an_error_in_the_e_mail_is_a_refusal() {
        let errors = [
            SendEmailError::MessageRejected(MessageRejected::builder().build()),
            SendEmailError::BadRequestException(BadRequestException::builder().build()),
            SendEmailError::MailFromDomainNotVerifiedException(
                MailFromDomainNotVerifiedException::builder().build(),
            ),
        ];
        for error in errors {
            assert!(matches!(answered(400, error), Sent::Refused { .. }));
        }
    }

    #[test]
    fn after_an_error_of_the_account_the_e_mail_can_be_retried() {
        let errors = [
            (429, SendEmailError::TooManyRequestsException(TooManyRequestsException::builder().build())),
            (400, SendEmailError::LimitExceededException(LimitExceededException::builder().build())),
            (400, SendEmailError::SendingPausedException(SendingPausedException::builder().build())),
            (400, SendEmailError::AccountSuspendedException(AccountSuspendedException::builder().build())),
            (404, SendEmailError::NotFoundException(NotFoundException::builder().build())),
            (400, named("ThrottlingException")),
            (403, named("AccessDeniedException")),
        ];
        for (status, error) in errors {
            let sent = answered(status, error);
            assert!(matches!(sent, Sent::NotSent { .. }), "{sent:?}");
        }
    }

    #[test]
    fn after_a_server_error_or_a_lost_response_the_result_is_unknown() {
        let code = |code: &str| Sent::Unknown { code: code.into() };
        assert_eq!(answered(500, named("InternalFailure")), code("InternalFailure"));
        assert_eq!(answered(503, named("ServiceUnavailable")), code("ServiceUnavailable"));
        assert_eq!(answered(408, named("RequestTimeoutException")), code("RequestTimeoutException"));
        let nameless = SendEmailError::generic(ErrorMetadata::builder().build());
        assert_eq!(answered(502, nameless), code("status 502"));
        assert_eq!(result_of(&Failure::timeout_error("late")), code("timed out"));
        let answer = HttpResponse::new(200.try_into().unwrap(), "".into());
        assert_eq!(result_of(&Failure::response_error("not JSON", answer)), code("unreadable response"));
    }

    #[test]
    fn an_e_mail_was_certainly_not_sent_only_if_there_was_no_connection() {
        let io = |kind| Failure::dispatch_failure(ConnectorError::io(Box::new(io::Error::from(kind))));
        let not_sent = Sent::NotSent { code: "no connection".into() };
        let unknown = Sent::Unknown { code: "connection lost".into() };
        assert_eq!(result_of(&io(io::ErrorKind::ConnectionRefused)), not_sent);
        assert_eq!(result_of(&io(io::ErrorKind::NetworkUnreachable)), not_sent);
        assert_eq!(result_of(&Failure::dispatch_failure(ConnectorError::timeout("late".into()))), not_sent);
        let nameless = ResolveDnsError::new("no such host");
        assert_eq!(result_of(&Failure::dispatch_failure(ConnectorError::io(Box::new(nameless)))), not_sent);
        assert_eq!(result_of(&io(io::ErrorKind::ConnectionReset)), unknown);
        assert_eq!(result_of(&io(io::ErrorKind::BrokenPipe)), unknown);
        assert_eq!(result_of(&Failure::dispatch_failure(ConnectorError::other("eof".into(), None))), unknown);
        assert_eq!(
            result_of(&Failure::construction_failure("bad")),
            Sent::NotSent { code: "not built".into() }
        );
    }

    #[test]
    fn debug_output_does_not_contain_the_e_mail() {
        let mail = Mail { to: "a@b.example".into(), subject: "s".into(), text: "t".into(), html: "h".into() };
        assert_eq!(format!("{mail:?}"), "Mail(…)");
    }
}

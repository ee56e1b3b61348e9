//! E-mails out, by SES (version 2, `SendEmail` with simple content). SES knows no idempotency, so every answer that is
//! lost leaves open whether the e-mail went; the answers are told apart by that.

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

/// Longer than for other services: an e-mail whose answer was not waited for is never sent again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection is there by then, or the network is not.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An e-mail to one recipient. Its `Debug` hides all of it: addresses and texts stand in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// One address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as an HTML page.
    pub html: String,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail(…)")
    }
}

/// What became of an e-mail. Codes are SES's names of its errors, or a few words of ours where it named none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// SES has it and will try to deliver it.
    Accepted {
        /// SES's id of it.
        id: String,
    },
    /// SES will never take this e-mail: its content, its recipient or its sender is refused.
    Refused {
        /// Why.
        code: String,
    },
    /// Surely not sent, for a reason that lies not in the e-mail and may pass or be mended.
    NotSent {
        /// Why.
        code: String,
    },
    /// The answer is lost: it may have gone.
    Unknown {
        /// How.
        code: String,
    },
}

/// Sends e-mails from one address.
#[derive(Debug, Clone)]
pub struct Mailer {
    client: Client,
    from: String,
    configuration_set: Option<String>,
}

impl Mailer {
    /// From this address (or `Name <address>`), which SES has verified, and under this set of SES's rules.
    pub fn new(aws: &Aws, from: String, configuration_set: Option<String>) -> Self {
        // No read time-out: so a time-out at the connection can only be one of getting it.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ANSWER_TIMEOUT)
            .operation_timeout(ANSWER_TIMEOUT)
            .build();
        let config = aws.mail().config().to_builder().timeout_config(timeouts).interceptor(FreshConnection);
        Self { client: Client::from_conf(config.build()), from, configuration_set }
    }

    /// Sends one e-mail, in one attempt.
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
            Err(error) => judge(&error),
        }
    }
}

fn content(mail: &Mail) -> Result<EmailContent, BuildError> {
    let part = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder().text(part(&mail.text)?).html(part(&mail.html)?).build();
    let message = Message::builder().subject(part(&mail.subject)?).body(body).build();
    Ok(EmailContent::builder().simple(message).build())
}

/// A host that was frozen between two events may hold a connection that the other side gave up meanwhile: an e-mail
/// written into it is lost, and nobody would know. So each has a connection of its own. The header is set after
/// signing, since whatever stands between may take it away.
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

fn judge(error: &SdkError<SendEmailError, HttpResponse>) -> Sent {
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code().map_or_else(|| format!("status {status}"), ToOwned::to_owned);
            judge_answer(service.err(), status, code)
        }
        SdkError::ConstructionFailure(_) => Sent::NotSent { code: "not built".into() },
        SdkError::DispatchFailure(failure) if never_connected(failure) => {
            Sent::NotSent { code: "no connection".into() }
        }
        SdkError::DispatchFailure(_) => Sent::Unknown { code: "connection lost".into() },
        SdkError::TimeoutError(_) => Sent::Unknown { code: "timed out".into() },
        _ => Sent::Unknown { code: "no readable answer".into() },
    }
}

/// By SES's error: three are about this e-mail. All others below 500 (too many requests, a quota, a paused or suspended
/// account, a configuration set that is not there, credentials) are about our account, and the e-mail is as good as before.
/// 408 is the one of them that leaves open what was read.
fn judge_answer(error: &SendEmailError, status: u16, code: String) -> Sent {
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

/// Whether it broke off before there was a connection. Errors that can also come later are not counted.
fn never_connected(failure: &DispatchFailure) -> bool {
    let unreachable = |error: &(dyn Error + 'static)| {
        error.is::<ResolveDnsError>()
            || error.downcast_ref::<io::Error>().is_some_and(|error| is_of_connecting(error.kind()))
    };
    let first = failure.as_connector_error().map(|error| error as &(dyn Error + 'static));
    failure.is_timeout() || std::iter::successors(first, |&error| error.source()).any(unreachable)
}

fn is_of_connecting(kind: io::ErrorKind) -> bool {
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
        judge(&Failure::service_error(error, answer))
    }

    fn named(code: &str) -> SendEmailError {
        SendEmailError::generic(ErrorMetadata::builder().code(code).build())
    }

    #[test]
    fn what_is_wrong_with_the_e_mail_is_refused_for_good() {
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
    fn what_is_wrong_with_the_account_leaves_the_e_mail_as_good_as_before() {
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
    fn an_answer_that_says_nothing_leaves_it_open() {
        let code = |code: &str| Sent::Unknown { code: code.into() };
        assert_eq!(answered(500, named("InternalFailure")), code("InternalFailure"));
        assert_eq!(answered(503, named("ServiceUnavailable")), code("ServiceUnavailable"));
        assert_eq!(answered(408, named("RequestTimeoutException")), code("RequestTimeoutException"));
        let nameless = SendEmailError::generic(ErrorMetadata::builder().build());
        assert_eq!(answered(502, nameless), code("status 502"));
        assert_eq!(judge(&Failure::timeout_error("late")), code("timed out"));
        let answer = HttpResponse::new(200.try_into().unwrap(), "".into());
        assert_eq!(judge(&Failure::response_error("not JSON", answer)), code("no readable answer"));
    }

    #[test]
    fn only_a_connection_that_never_was_is_surely_not_sent() {
        let io = |kind| Failure::dispatch_failure(ConnectorError::io(Box::new(io::Error::from(kind))));
        let not_sent = Sent::NotSent { code: "no connection".into() };
        let unknown = Sent::Unknown { code: "connection lost".into() };
        assert_eq!(judge(&io(io::ErrorKind::ConnectionRefused)), not_sent);
        assert_eq!(judge(&io(io::ErrorKind::NetworkUnreachable)), not_sent);
        assert_eq!(judge(&Failure::dispatch_failure(ConnectorError::timeout("late".into()))), not_sent);
        let nameless = ResolveDnsError::new("no such host");
        assert_eq!(judge(&Failure::dispatch_failure(ConnectorError::io(Box::new(nameless)))), not_sent);
        assert_eq!(judge(&io(io::ErrorKind::ConnectionReset)), unknown);
        assert_eq!(judge(&io(io::ErrorKind::BrokenPipe)), unknown);
        assert_eq!(judge(&Failure::dispatch_failure(ConnectorError::other("eof".into(), None))), unknown);
        assert_eq!(judge(&Failure::construction_failure("bad")), Sent::NotSent { code: "not built".into() });
    }

    #[test]
    fn an_e_mail_is_not_shown() {
        let mail = Mail { to: "a@b.example".into(), subject: "s".into(), text: "t".into(), html: "h".into() };
        assert_eq!(format!("{mail:?}"), "Mail(…)");
    }
}

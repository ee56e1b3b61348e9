//! The results of the mailer over real connections.

use std::time::Duration;

use shared_aws::clients::{Aws, Mail, Mailer, Sent};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::fake_ses::{FROM, FakeSes, Fault};

fn mail() -> Mail {
    Mail {
        to: "ada@clinic.example".into(),
        subject: "Grüße".into(),
        text: "Text".into(),
        html: "<p>Text</p>".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_e_mail_is_sent_over_a_new_connection() {
    let (ses, mailer) = FakeSes::start(None).await;
    assert_eq!(mailer.send(&mail()).await, Sent::Accepted { id: "ses-1".into() });
    assert_eq!(mailer.send(&mail()).await, Sent::Accepted { id: "ses-2".into() });
    assert_eq!(ses.connections(), 2);
    let mails = ses.mails();
    assert_eq!(mails[0]["Content"]["Simple"]["Subject"]["Data"], "Grüße");
    assert_eq!(mails[0].get("ConfigurationSetName"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_e_mail_that_fails_is_not_retried() {
    let faults = [
        (Fault::TooMany, Sent::NotSent { code: "TooManyRequestsException".into() }),
        (Fault::Rejected, Sent::Refused { code: "MessageRejected".into() }),
        (Fault::Down, Sent::Unknown { code: "InternalFailure".into() }),
    ];
    for (fault, answer) in faults {
        let (ses, mailer) = FakeSes::start(None).await;
        ses.fail_next("ada@clinic.example", fault);
        assert_eq!(mailer.send(&mail()).await, answer);
        assert_eq!(ses.calls(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_means_that_nothing_was_sent() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mailer = Mailer::new(&Aws::loopback(format!("http://{free}")), FROM.into(), None);
    assert_eq!(mailer.send(&mail()).await, Sent::NotSent { code: "no connection".into() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_timeout_means_that_nothing_was_sent() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Connections that are not accepted fill the backlog. The system does not answer further connections.
    let mut waiting = Vec::new();
    while let Ok(connection) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        waiting.push(connection.unwrap());
    }
    let mailer = Mailer::new(&Aws::loopback(format!("http://{address}")), FROM.into(), None);
    assert_eq!(mailer.send(&mail()).await, Sent::NotSent { code: "no connection".into() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_means_that_the_result_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let aws = Aws::loopback(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            connection.readable().await.unwrap();
        }
    });
    let mailer = Mailer::new(&aws, FROM.into(), None);
    assert_eq!(mailer.send(&mail()).await, Sent::Unknown { code: "connection lost".into() });
}

//! The program: its output, its log, and its end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{ACCOUNT, PHONE, PRODUCT, TOKEN, client, read};

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_carrier-simulator"))
        .args(arguments)
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

#[tokio::test]
async fn it_prints_its_url_logs_no_text_and_ends_at_once() {
    for name in ["TERM", "INT"] {
        let mut program = start(&[
            "--port=0",
            "--account-sid",
            ACCOUNT,
            "--auth-token",
            TOKEN,
            "--webhook-base",
            "http://127.0.0.1:1/",
            "--hold-seconds=600",
        ]);
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim_end().strip_prefix("carrier simulator listening on ").unwrap();
        assert!(base.starts_with("http://127.0.0.1:"));

        let post = |path: &str| client().post(format!("{base}{path}")).basic_auth(ACCOUNT, Some(TOKEN));
        let text = [("To", PHONE), ("From", PRODUCT), ("Body", "a secret text")];
        let own = [("PhoneNumber", PRODUCT)];
        let numbers = format!("/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json");
        read(post(&numbers).form(&own)).await.unwrap();
        read(post("/_twilio/simulate/inbound-message").form(&text)).await.unwrap();
        let bought = [("PhoneNumber", "+12025552000"), ("FriendlyName", "a secret name")];
        read(post(&numbers).form(&bought)).await.unwrap();
        read(post("/v1/Services").form(&[("FriendlyName", "a secret name")])).await.unwrap();
        let sink = r#"{"destination":"http://carrier:secret-word@127.0.0.1:1"}"#;
        let sink = [("Description", "a secret name"), ("SinkType", "webhook"), ("SinkConfiguration", sink)];
        read(post("/v1/Sinks").form(&sink)).await.unwrap();
        read(post("/_twilio/simulate/fault").form(&[("Kind", "timeout-after")])).await.unwrap();
        let messages = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
        let held = read(post(&messages).form(&text).timeout(Duration::from_millis(200))).await;
        assert!(held.is_err_and(|error| error.is_timeout()));

        let asked = Instant::now();
        let id = program.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
        assert!(program.wait().unwrap().success());
        assert!(asked.elapsed() < Duration::from_secs(2));

        let mut log = String::new();
        program.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(log.contains("message accepted"));
        assert!(log.contains("number bought") && log.contains("sink created"));
        for private in
            [PHONE, PRODUCT, "+12025552000", "a secret text", "a secret name", "secret-word", TOKEN]
        {
            assert!(!log.contains(private) && !log.contains(private.trim_start_matches('+')), "{log}");
        }
    }
}

#[test]
fn help_lists_every_setting_and_an_invalid_one_is_refused() {
    let help = start(&["--help"]).wait_with_output().unwrap();
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for setting in ["--port", "--account-sid", "--auth-token", "--webhook-base"] {
        assert!(help.contains(setting), "{help}");
    }
    let wrong = ["--account-sid", ACCOUNT, "--auth-token", TOKEN, "--webhook-base", "localhost:1"];
    assert!(!start(&wrong).wait_with_output().unwrap().status.success());
}

#!/usr/bin/env python3
"""Plants faults in a local cloud, one at a time. `inboxctl doctor` must name each, and mend what is the carrier's.
Before that, inboxctl is called for stacks that it cannot read. It must say why in one sentence.

Runs on the Python of .local/tools: python3 infra/local/cloud.py exec -- .local/tools/bin/python3 tests/deploy/faults.py
"""

import base64
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parents[2]
STACK = json.loads(Path(os.environ["STACK_FILE"]).read_text())
ACCOUNT = STACK["twilio"]["accountSid"]
OTHER = "https://old.example.org/webhooks/twilio"
INBOX = next(inbox for inbox in STACK["inboxes"] if inbox["apiCode"] == "FRONTDESK")


def aws(service: str):
    settings = STACK["aws"]["environment"]
    return boto3.client(
        service,
        endpoint_url=settings["AWS_ENDPOINT_URL"],
        region_name=settings["AWS_REGION"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )


def carrier(path: str, method: str = "GET", **fields: str) -> dict:
    authorization = base64.b64encode(f"{ACCOUNT}:{STACK['twilio']['authToken']}".encode()).decode()
    request = urllib.request.Request(
        STACK["carrierUrl"] + path,
        urllib.parse.urlencode(fields).encode() if fields else None,
        {"Authorization": f"Basic {authorization}"},
        method="POST" if fields else method,
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read() or "{}")


def doctor(*options: str) -> tuple[int, dict]:
    command = [sys.executable, str(ROOT / "infra/local/ctl.py"), "--local", "doctor", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    return done.returncode, json.loads(done.stdout)


def errors(report: dict) -> dict[str, str]:
    """The sentence of each error, by its code."""
    return {finding["code"]: finding["detail"] for finding in report["findings"] if finding["level"] == "error"}


def number() -> str:
    query = urllib.parse.urlencode({"PhoneNumber": INBOX["phoneNumber"]})
    (found,) = carrier(f"/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json?{query}")["incoming_phone_numbers"]
    return found["sid"]


def set_number(**fields: str):
    return lambda: carrier(f"/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers/{number()}.json", **fields)


def service() -> str:
    """The messaging service that has the number of the inbox."""
    for known in carrier("/v1/Services")["services"]:
        members = carrier(f"/v1/Services/{known['sid']}/PhoneNumbers")["phone_numbers"]
        if any(member["phone_number"] == INBOX["phoneNumber"] for member in members):
            return known["sid"]
    sys.exit("no messaging service has the number of the inbox")


SERVICE = service()


def set_service(**fields: str):
    return lambda: carrier(f"/v1/Services/{SERVICE}", **fields)


def remove_from_service() -> None:
    carrier(f"/v1/Services/{SERVICE}/PhoneNumbers/{number()}", "DELETE")


def remove_sinks() -> None:
    for sink in carrier("/v1/Sinks")["sinks"]:
        carrier(f"/v1/Sinks/{sink['sid']}", "DELETE")


# What the doctor mends: the code of the error, a word of its sentence, and the fault.
OF_CARRIER = [
    ("number_messages", "messages", set_number(SmsUrl=f"{OTHER}/messages")),
    ("number_calls", "calls", set_number(VoiceUrl=f"{OTHER}/voice")),
    ("number_retries", "retry", set_number(SmsUrl=f"{STACK['webhookBaseUrl']}/webhooks/twilio/messages")),
    ("number_fallback", "fallback", set_number(SmsFallbackUrl="")),
    ("service_settings", "settings", set_service(UseInboundWebhookOnNumber="false", InboundRequestUrl=OTHER)),
    ("number_service", "messaging service", remove_from_service),
    ("event_sink", "registration events", remove_sinks),
]


@contextmanager
def secret(**changes):
    """The carrier's secret with other content."""
    secrets = aws("secretsmanager")
    (arn,) = [known["ARN"] for known in secrets.list_secrets()["SecretList"] if known["Name"].endswith("/carrier")]
    before = secrets.get_secret_value(SecretId=arn)["SecretString"]
    content = {name: value for name, value in (json.loads(before) | changes).items() if value is not None}
    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(content))
    try:
        yield
    finally:
        secrets.put_secret_value(SecretId=arn, SecretString=before)


@contextmanager
def suspended_account():
    carrier("/_twilio/simulate/fault", Kind="suspended", Seconds="60")
    try:
        yield
    finally:
        carrier("/_twilio/simulate/fault", Kind="none")


@contextmanager
def unverified_sender():
    mail = aws("sesv2")
    identities = [known["IdentityName"] for known in mail.list_email_identities()["EmailIdentities"]]
    for identity in identities:
        mail.delete_email_identity(EmailIdentity=identity)
    try:
        yield
    finally:
        for identity in identities:
            mail.create_email_identity(EmailIdentity=identity)


@contextmanager
def owner_without_sign_in():
    pool, owner = STACK["aws"]["outputs"]["UserPoolId"], next(user for user in STACK["users"] if user["owner"])
    aws("cognito-idp").admin_delete_user(UserPoolId=pool, Username=owner["email"])
    yield  # the last fault: the stack ends without this user


# What only the operator can mend.
OF_OPERATOR = [
    ("carrier_login", "secret create", secret(authTokens=["0" * 32])),
    ("carrier_secret", "secret create", secret(accountSid=None)),
    ("event_login", "eventStreams", secret(eventStreams=None)),
    ("carrier_account", "suspended", suspended_account()),
    ("sender", "MailFrom", unverified_sender()),
    ("owner", "organization create", owner_without_sign_in()),
]


def require(code: str, word: str, found: dict[str, str], step: str) -> None:
    if list(found) != [code] or word not in found[code]:
        sys.exit(f"{code}: the doctor {step} finds {found}")


# Calls that cannot work: options, changes of the environment, and the sentence.
MISDIRECTED = [
    ([], {"INBOXCTL_STACK": ""}, "No stack is named. Pass --stack, or set INBOXCTL_STACK."),
    (["--stack", "unknown"], {}, "There is no stack unknown in us-east-1. Check --stack and --region."),
    (["--region", "eu-west-1"], {}, "There is no stack shared-inbox in eu-west-1. Check --stack and --region."),
    ([], {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN000000000"}, "AWS does not accept the credentials"),
    ([], {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "CloudFormation in us-east-1 did not answer."),
]


def require_sentence(options: list[str], changes: dict[str, str], sentence: str) -> None:
    environment = {"PATH": os.defpath, **STACK["aws"]["environment"], "INBOXCTL_STACK": STACK["aws"]["stack"], **changes}
    command = [str(ROOT / "target/debug/inboxctl"), *options, "organization", "list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = done.stderr.splitlines()
    if done.returncode != 1 or len(lines) != 1 or not lines[0].startswith(sentence):
        sys.exit(f"{options} {changes}: status {done.returncode}, {done.stderr}")
    if sentence not in json.dumps(json.loads(done.stdout)):
        sys.exit(f"{options} {changes}: {done.stdout}")


def user_without_rights() -> dict[str, str]:
    """The credentials of a new user of the account, who may do nothing."""
    users = aws("iam")
    users.create_user(UserName="visitor")
    key = users.create_access_key(UserName="visitor")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def main() -> int:
    without_rights = "The credentials do not have the permission cloudformation:DescribeStacks."
    for options, changes, sentence in [*MISDIRECTED, ([], user_without_rights(), without_rights)]:
        require_sentence(options, changes, sentence)
        print(f"said: {sentence}")
    status, report = doctor()
    if status != 0 or not report["ok"]:
        sys.exit(f"the doctor finds errors in a stack without faults: {errors(report)}")
    for code, word, plant in OF_CARRIER:
        plant()
        status, report = doctor()
        require(code, word, errors(report), "without --mend")
        if status != 1 or "doctor --mend" not in errors(report)[code]:
            sys.exit(f"{code}: status {status}, {errors(report)[code]}")
        status, report = doctor("--mend")
        if status != 0 or errors(report) or errors(doctor()[1]):
            sys.exit(f"{code}: --mend leaves {errors(report)}")
        print(f"{code}: named and mended")
    for code, word, fault in OF_OPERATOR:
        with fault:
            require(code, word, errors(doctor("--mend")[1]), "with --mend")
        print(f"{code}: named")
    return 0


if __name__ == "__main__":
    sys.exit(main())

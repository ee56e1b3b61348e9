#!/usr/bin/env python3
"""Types the deploy section of README.md into interactive shells, with an empty local cloud in place of AWS.

Runs on the Python of .local/tools: SEED=none python3 infra/local/cloud.py exec -- .local/tools/bin/python3 tests/deploy/walk.py
The first shell sets the stack up, and an invited user answers a message through the TypeScript client. Then each shell
types the section again, which changes nothing. zsh is skipped if it is not installed.
"""

import base64
import json
import os
import re
import shutil
import sys
import tempfile
import textwrap
import urllib.request
from pathlib import Path

import boto3

HERE = Path(__file__).resolve().parent
for folder in ("", "tour", "client"):
    sys.path.append(str(HERE.parent / folder))
from nodejs import Packages  # noqa: E402
from shell import ROOT, Shell, blocks  # noqa: E402

MAX_COMMANDS = 8  # from the clone to an answered message
ON_AWS = ("rustup ", "cp ", "make deploy", "STACK=")
SECTION = re.compile(r"^## Deploy it\n(.*?)^## ", re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """The lines of the section, each a command."""
    section = SECTION.search((ROOT / "README.md").read_text()).group(1)
    return [line for block, _ in blocks(section, " *") for line in textwrap.dedent(block).splitlines()]


def type_section(shell: Shell) -> dict[str, dict]:
    """Types the commands that do not need AWS. Returns the document that each prints, by the operator's command."""
    shell.run("STACK=--local")
    documents = {}
    for line in commands():
        if line.startswith(ON_AWS):
            continue
        output = shell.run(line)
        try:
            documents[line.split("$STACK ")[1].split(" --")[0].rstrip('"')] = json.loads(output)
        except ValueError:
            sys.exit(f"{line}\nprints:\n{output}")
        if (status := shell.run("echo $?").strip()) != "0":
            sys.exit(f"{line}\nends with {status}:\n{output}")
    return documents


class World:
    """What the section sets up: the users, their e-mails, the secret, and the carrier's account."""

    def __init__(self, stack: dict) -> None:
        self.stack = stack
        environment = stack["aws"]["environment"]
        self.session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        self.endpoint = environment["AWS_ENDPOINT_URL"]

    def read(self) -> dict:
        pool = self.stack["aws"]["outputs"]["UserPoolId"]
        secrets = self.client("secretsmanager")
        account = self.stack["twilio"]["accountSid"]
        return {
            "users": self.client("cognito-idp").list_users(UserPoolId=pool)["Users"],
            "emails": self.get(self.stack["inspect"]["emails"], {}),
            "secrets": [
                json.loads(secrets.get_secret_value(SecretId=secret["ARN"])["SecretString"])
                for secret in secrets.list_secrets()["SecretList"]
                if secret["Name"].endswith("/carrier")
            ],
            "numbers": self.carrier(f"/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json")["incoming_phone_numbers"],
            "sinks": self.carrier("/v1/Sinks")["sinks"],
            "subscriptions": self.carrier("/v1/Subscriptions")["subscriptions"],
        }

    def client(self, service: str):
        return self.session.client(service, endpoint_url=self.endpoint)

    def carrier(self, path: str) -> dict:
        account = f"{self.stack['twilio']['accountSid']}:{self.stack['twilio']['authToken']}"
        authorization = "Basic " + base64.b64encode(account.encode()).decode()
        return self.get(self.stack["carrierUrl"] + path, {"Authorization": authorization})

    @staticmethod
    def get(url: str, headers: dict) -> dict:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as response:
            return json.load(response)


def main() -> int:
    count = 1 + sum(not line.startswith("STACK=") for line in commands())  # and `git clone`
    if count > MAX_COMMANDS:
        sys.exit(f"the deployment takes {count} commands, and should take {MAX_COMMANDS} at most")
    stack = json.loads(Path(os.environ["STACK_FILE"]).read_text())
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):  # with them, make prints the folder before each command
        os.environ.pop(name, None)
    variables = {
        "TWILIO_ACCOUNT_SID": stack["twilio"]["accountSid"],
        "TWILIO_AUTH_TOKEN": stack["twilio"]["authToken"],
        # The shell has another home folder.
        "CARGO_HOME": os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo"),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup"),
    }
    world, client = World(stack), Packages(ROOT / "shared/client-ts")
    before = None
    for name in filter(shutil.which, ["bash", "zsh"]):
        with tempfile.TemporaryDirectory() as home:
            shell = Shell(name, home, **variables)
            if before is None:
                first = type_section(shell)
                created = first["organization create"]
                if not (created["created"] and created["invited"] and first["doctor"]["ok"]):
                    sys.exit(f"the first deployment in {name} prints {first}")
                email = re.search(r"--owner-email (\S+?)\"?$", "\n".join(commands()), re.MULTILINE).group(1)
                client.run("node", "build/test/deploy/first-text.js", email)
                before = world.read()
            again = type_section(shell)
            if any(again[command].get("created") for command in again) or again["organization create"]["invited"]:
                sys.exit(f"the repeated deployment in {name} prints {again}")
            after = world.read()
            if changed := [name for name in before if before[name] != after[name]]:
                sys.exit(f"the repeated deployment in {name} changed {changed}: {before} {after}")
            print(f"typed the deploy section in {name}: a repetition changes nothing")
    return 0


if __name__ == "__main__":
    sys.exit(main())

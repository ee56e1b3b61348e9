#!/usr/bin/env python3
"""Plants faults in a local cloud, and types what the pages for operators say against them into interactive shells.

Runs on the Python of .local/tools: python3 infra/local/cloud.py exec -- .local/tools/bin/python3 tests/tour/runbooks.py
Each command is typed as it is on its page, into bash and into zsh, and must have the effect that the page promises. A
line that sets a variable to `…` is what an operator fills in. zsh is skipped if it is not installed.
"""

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.parse
import uuid
from pathlib import Path

import boto3
from shell import ROOT, Shell, blocks

sys.path.append(str(ROOT / "infra/local"))
import tour  # noqa: E402

PAGES = ["docs/operations/runbooks.md", "docs/operations/incident.md"]
INBOXCTL = 'inboxctl() { python3 infra/local/ctl.py --local "$@"; }'
# What differs from run to run.
MASKS = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "2026-01-01T00:00:00.000Z"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "00000000-0000-0000-0000-000000000000"),
    (r"msg_\w+", "msg_1"),
]
TIMEOUT_SECONDS = 60
# In place of SendRetrySeconds and MailRetrySeconds, so that the last attempt is soon.
RETRY_SECONDS = 2
# A readable queue message of another version, and one that is no JSON.
UNREADABLE = {"send": json.dumps({"messageId": "msg_1", "version": 9}), "mail": "not JSON"}


def require(holds: bool, what: str, found: object = "") -> None:
    if not holds:
        sys.exit(f"{what}: {found}")


def until(what: str, probe):
    """The first result of `probe` that is true."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (found := probe()):
        require(time.monotonic() < deadline, what, f"not within {TIMEOUT_SECONDS} seconds")
        time.sleep(0.2)
    return found


def masked(output: str) -> str:
    for pattern, replacement in MASKS:
        output = re.sub(pattern, replacement, output)
    return output.strip()


class Pages:
    """The commands of the pages, and which of them were typed."""

    def __init__(self) -> None:
        self.blocks = [
            (textwrap.dedent(commands).splitlines(), textwrap.dedent(shown))
            for page in PAGES
            for commands, shown in blocks((ROOT / page).read_text(), " *")
        ]
        self.typed: set[str] = set()

    def find(self, beginning: str) -> tuple[str, str]:
        """The shortest command that begins so, and the output that its page shows for its block."""
        found = [(line, shown) for lines, shown in self.blocks for line in lines if line.startswith(beginning)]
        require(bool(found), "the pages have no command", beginning)
        line, shown = min(found, key=lambda pair: len(pair[0]))
        self.typed.add(line)
        return line, shown

    def forgotten(self) -> list[str]:
        return [line for lines, _ in self.blocks for line in lines if line not in self.typed]


class Operator:
    """Somebody who types commands of the pages into a shell."""

    def __init__(self, name: str, home: str, pages: Pages) -> None:
        self.name, self.pages = name, pages
        user = Path.home()  # the shell has another home folder
        folders = {"CARGO_HOME": ".cargo", "RUSTUP_HOME": ".rustup"}
        known = {name: os.environ.get(name) or str(user / folder) for name, folder in folders.items()}
        self.shell = Shell(name, home, **known)
        self.shell.run(INBOXCTL)  # --local names the stack and the region in place of the line of the page
        self.shell.run(pages.find("export INBOXCTL_STACK=")[0])

    def type(self, beginning: str, as_shown: bool = False, status: int = 0, **values: str) -> dict:
        """Types the command that begins so, after the lines that set these variables. Returns the document that it
        prints. `as_shown` requires the output that the page shows."""
        for name, value in values.items():
            placeholder, _ = self.pages.find(f"{name}=")
            require(placeholder.endswith("…"), "nothing is to be filled in", placeholder)
            self.shell.run(f"{name}={value}")
        line, shown = self.pages.find(beginning)
        output = self.shell.run(line)
        ended = self.shell.run("echo $?").strip()
        require(ended == str(status), f"{line} in {self.name} ends with {ended}", output)
        require(not as_shown or masked(output) == masked(shown), f"{line} shows\n{shown}and prints", output)
        return json.JSONDecoder().raw_decode(output)[0]

    def letters(self, as_shown: bool = False) -> list[dict]:
        """The dead letters, as listed."""
        return self.type("inboxctl dead-letters list", as_shown)["items"]

    def steps_of(self, text: "Text") -> set[str]:
        return {step["step"] for step in self.type("inboxctl trace $MESSAGE", MESSAGE=text.id)["steps"]}


class Cloud:
    """The local cloud: its queues, log, users, and carrier."""

    def __init__(self) -> None:
        self.stack = tour.stack()
        self.outputs = self.stack["aws"]["outputs"]
        self.log = ROOT / self.stack["log"]
        self.queues, self.functions = self.aws("sqs"), self.aws("lambda")
        urls = self.queues.list_queues()["QueueUrls"]
        (mail,) = [url for url in urls if "-MailQueue-" in url]
        self.urls = {"send": self.outputs["SendQueueUrl"], "mail": mail}
        names = ("VisibilityTimeout", "RedrivePolicy")
        self.settings = {queue: {name: self.attribute(url, name) for name in names} for queue, url in self.urls.items()}

    def aws(self, service: str):
        environment = self.stack["aws"]["environment"]
        return boto3.client(
            service,
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )

    def set_queue(self, queue: str, **attributes: str) -> None:
        self.queues.set_queue_attributes(QueueUrl=self.urls[queue], Attributes=attributes)

    def attribute(self, url: str, name: str) -> str:
        return self.queues.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]

    def reset_queues(self) -> None:
        """Restores the settings that the template gives the queues."""
        for queue, attributes in self.settings.items():
            self.set_queue(queue, **attributes)

    def redrive_policy(self, max_receives: int) -> str:
        return json.dumps({**json.loads(self.settings["send"]["RedrivePolicy"]), "maxReceiveCount": max_receives})

    def run(self, sweep: str) -> bool:
        """Runs a sweep, which is due each minute."""
        function = self.stack["aws"]["functions"][f"{sweep}Function"]
        return self.functions.invoke(FunctionName=function, Payload=b"{}")["StatusCode"] == 200

    def dead(self, queue: str) -> int:
        """How many messages are in the dead-letter queue of a queue."""
        url = self.outputs[f"{queue.capitalize()}DeadLettersUrl"]
        return int(self.attribute(url, "ApproximateNumberOfMessages"))

    def queued(self, queue: str) -> int:
        """How many messages are in a queue, those that a function works on included."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(self.attribute(self.urls[queue], name)) for name in names)

    def plant(self, queue: str, body: str) -> None:
        group = {"MessageGroupId": "unreadable", "MessageDeduplicationId": uuid.uuid4().hex} if queue == "send" else {}
        self.queues.send_message(QueueUrl=self.urls[queue], MessageBody=body, **group)

    def logged(self, event: str, **fields: str) -> list[dict]:
        """The fields of the log lines of an event."""
        lines = (json.loads(line)["fields"] for line in self.log.read_text().splitlines() if f'"{event}"' in line)
        return [line for line in lines if fields.items() <= line.items()]

    def inbox(self, api_code: str) -> dict:
        return next(known for known in self.stack["inboxes"] if known["apiCode"] == api_code)

    def api(self, user: str, method: str, path: str, **body: object) -> dict:
        token = next(known["token"] for known in self.stack["users"] if known["id"] == user)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body else None
        return json.loads(tour.call(method, self.stack["apiUrl"] + path, headers, data))

    def carrier(self, path: str, **fields: str) -> dict:
        account = f"{self.stack['twilio']['accountSid']}:{self.stack['twilio']['authToken']}"
        headers = {"Authorization": "Basic " + base64.b64encode(account.encode()).decode()}
        data = urllib.parse.urlencode(fields).encode() if fields else None
        return json.loads(tour.call("POST" if fields else "GET", self.stack["carrierUrl"] + path, headers, data))


class Text:
    """A text that a user writes to a phone."""

    def __init__(self, cloud: Cloud, phone: str, words: str, user: str = "amelia", inbox: str = "FRONTDESK") -> None:
        self.cloud, self.user, self.phone, self.words = cloud, user, phone, words
        body = {"from": {"inboxId": cloud.inbox(inbox)["inboxId"]}, "to": {"phoneNumber": phone}, "text": words}
        accepted = cloud.api(user, "POST", "/v1/messages", **body)
        require("messageId" in accepted, f"{words} is not accepted", accepted)
        self.id = accepted["messageId"]

    def at_carrier(self) -> list[str]:
        """The carrier's IDs of it, one for each time that it was sent."""
        query = urllib.parse.urlencode({"To": self.phone})
        account = self.cloud.stack["twilio"]["accountSid"]
        messages = self.cloud.carrier(f"/2010-04-01/Accounts/{account}/Messages.json?{query}")["messages"]
        return [message["sid"] for message in messages if message["body"] == self.words]

    def state(self) -> str:
        return self.cloud.api(self.user, "GET", f"/v1/messages/{self.id}")["state"]

    def require_waiting(self) -> None:
        require((self.state(), self.at_carrier()) == ("queued", []), f"{self.words} does not wait", self.state())

    def await_delivery(self) -> None:
        until(f"{self.words} is delivered", lambda: self.state() == "delivered")
        self.require_once()

    def require_once(self) -> None:
        require(len(self.at_carrier()) == 1, f"{self.words} was not sent once", self.at_carrier())


def plant_unreadable(cloud: Cloud) -> None:
    """Adds a queue message that cannot be read to both queues. Their last attempts are soon."""
    for queue, body in UNREADABLE.items():
        cloud.set_queue(queue, VisibilityTimeout=str(RETRY_SECONDS))
        cloud.plant(queue, body)


def await_dead_letters(cloud: Cloud) -> None:
    """Waits for the last attempts, about ten seconds. After that, a slow one is not repeated."""
    for queue in UNREADABLE:
        until(f"the message in the queue {queue} is given up", lambda queue=queue: cloud.dead(queue) == 1)
    cloud.reset_queues()
    require(bool(cloud.logged("queue_message_dead")), "the log does not say why a message was given up")


def sending_is_paused_and_resumed(cloud: Cloud, operators: list[Operator]) -> list[Text]:
    """First of all organizations, then of one. The first text waits while the unreadable messages are tried."""
    for operator in operators:
        paused = operator.type("inboxctl sending pause")["items"]
        require(len(paused) > 1 and all(one["paused"] for one in paused), "sending is not paused", paused)
    other = Text(cloud, "+12025550171", "All are paused", user="zoe", inbox="RECEPTION")
    await_dead_letters(cloud)
    other.require_waiting()
    for operator in operators:
        operator.type("inboxctl sending resume")
    for operator in operators:
        operator.type("inboxctl sending pause --organization", as_shown=True, ORGANIZATION="org_brightside")
    text = Text(cloud, "+12025550172", "One is paused")
    other.await_delivery()
    text.require_waiting()
    for operator in operators:
        operator.type("inboxctl sending resume --organization")
    text.await_delivery()
    print("sending: paused and resumed, of all organizations and of one")
    return [other, text]


def unreadable_are_discarded(cloud: Cloud, operators: list[Operator]) -> None:
    """The first operator discards that of the send queue, and the last one that of the mail queue."""
    for letters in [operator.letters(as_shown=True) for operator in operators]:
        require([letter["queue"] for letter in letters] == list(UNREADABLE), "there are others", letters)
    for letter, operator in zip(letters, (operators[0], operators[-1])):
        shown = operator.type("inboxctl dead-letters show", QUEUE_MESSAGE=letter["id"])
        require(shown.pop("receives") > 0 and shown == letter, "`show` differs from `list`", shown)
        discarded = operator.type("inboxctl dead-letters discard")["items"]
        left = cloud.dead(letter["queue"]) + cloud.queued(letter["queue"])
        require(discarded == [letter] and left == 0, "it is not discarded", discarded)
    print("unreadable queue messages: given up, listed, shown and discarded")


def refused_account_pauses_sending(cloud: Cloud, operators: list[Operator]) -> list[Text]:
    """The carrier suspends the account. One text to each phone is given up as after days, and a later one waits. The
    later ones go out when the account is well, and the others after a redrive."""
    phones = [f"+120255501{80 + place}" for place in range(len(operators))]
    cloud.set_queue("send", RedrivePolicy=cloud.redrive_policy(max_receives=1))
    cloud.carrier("/_twilio/simulate/fault", Kind="suspended", Seconds="600")
    given_up = [Text(cloud, phone, "Given up") for phone in phones]
    paused = {"organization": "org_brightside", "cause": "account_refused"}
    until("sending pauses by itself", lambda: cloud.logged("sending_paused", **paused))
    until("the texts are given up", lambda: cloud.dead("send") == len(phones))
    cloud.reset_queues()
    waiting = [Text(cloud, phone, "Waiting") for phone in phones]
    ids = [text.id for text in given_up]
    letters = sorted(operators[0].letters(), key=lambda letter: ids.index(letter["messageId"]))
    for operator, text in zip(operators, waiting):
        steps = operator.steps_of(text)
        require("outbox_relayed" in steps and "message_sent" not in steps, "a waiting text has the steps", steps)
    for text in waiting + given_up:
        require(text.state() == "queued", f"{text.words} does not wait", text.state())
    cloud.carrier("/_twilio/simulate/fault", Kind="none")
    until("sending resumes by itself", lambda: cloud.run("SendReconcile") and cloud.logged("sending_resumed", **paused))
    for operator, text in zip(operators, waiting):
        text.await_delivery()
        steps = operator.steps_of(text)
        require("message_sent" in steps, "a text that was sent has the steps", steps)
    print("refused account: sending paused by itself, and the texts went out")
    for operator, letter, text in zip(operators, letters, given_up):
        text.require_waiting()  # the later one did not wait for it
        redriven = operator.type("inboxctl dead-letters redrive", QUEUE_MESSAGE=letter["id"])["items"]
        require(redriven == [letter], "it is not redriven", redriven)
        text.await_delivery()
    print("texts that were given up: redriven and sent")
    return waiting + given_up


def signing_keys_are_rotated(cloud: Cloud, operators: list[Operator]) -> list[Text]:
    """The carrier has a text, and reports after the rotation that it was delivered. The report has the signature of
    the key before. The last operator comes too early."""
    cloud.carrier("/_twilio/simulate/fault", Kind="silent")
    text = Text(cloud, "+12025550190", "Rotation")
    until("the text is sent", lambda: text.state() == "sent")
    operators[0].type("inboxctl secret rotate", as_shown=True)
    (sid,) = text.at_carrier()
    answer = cloud.carrier("/_twilio/simulate/message-status", MessageSid=sid, Status="delivered")
    require(answer["webhookStatus"] == 200, "the report is refused", answer)
    text.await_delivery()
    refused = operators[-1].type("inboxctl secret rotate", status=1)
    require(refused["findings"][0]["code"] == "conflict", "a second rotation is not refused", refused)
    print("signing keys: rotated while a text was on its way")
    return [text]


def lose_webhook(cloud: Cloud, operators: list[Operator]) -> str:
    """A customer writes, and the webhook is lost. Returns the carrier's ID of the message."""
    # Builds `inboxctl` if it has to be, because the sweep finds the text after half a minute.
    cheap = ["python3", "infra/local/ctl.py", "--local", "organization", "list"]
    subprocess.run(cheap, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    cloud.carrier("/_twilio/simulate/fault", Kind="lost-webhook")
    number = cloud.inbox("FRONTDESK")["phoneNumber"]
    sent = cloud.carrier("/_twilio/simulate/inbound-message", From="+12025550170", To=number, Body="Lost")
    for operator in operators:
        found = operator.type("inboxctl trace $SID", status=1, SID=sent["messageSid"])
        require(found["findings"][0]["code"] == "conflict", "a lost text is found", found)
    return sent["messageSid"]


def lost_text_is_found(cloud: Cloud, operators: list[Operator], sid: str) -> None:
    """The sweep asks for messages that are older than half a minute."""

    def sweep() -> list[dict]:
        cloud.run("InboundSweep")
        return cloud.logged("lost_message_found", carrier_id=sid)

    line = until("the sweep finds the lost text", sweep)[0]  # two sweeps at the same time may both log it
    require(line["seconds"] >= 30, "the log does not have the delay", line)
    for operator in operators:
        steps = {step["step"] for step in operator.type("inboxctl trace $SID", SID=sid)["steps"]}
        require("lost_message_found" in steps, "the text that was lost has the steps", steps)
    print("lost text: found by the sweep")


def main() -> int:
    cloud, pages = Cloud(), Pages()
    with contextlib.ExitStack() as homes:
        names = filter(shutil.which, ["bash", "zsh"])
        operators = [Operator(name, homes.enter_context(tempfile.TemporaryDirectory()), pages) for name in names]
        plant_unreadable(cloud)
        lost = lose_webhook(cloud, operators)
        texts = sending_is_paused_and_resumed(cloud, operators)
        unreadable_are_discarded(cloud, operators)
        lost_text_is_found(cloud, operators, lost)
        texts += refused_account_pauses_sending(cloud, operators)
        texts += signing_keys_are_rotated(cloud, operators)
        require(operators[-1].letters() == [], "a dead-letter queue is not empty")
        for text in texts:
            text.require_once()
    require(not pages.forgotten(), "no fault needs these commands of the pages", pages.forgotten())
    return 0


if __name__ == "__main__":
    sys.exit(main())

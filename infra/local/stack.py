"""Runs the local cloud. While it is ready, its state folder contains stack.json."""

import contextlib
import fcntl
import json
import os
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import build
import deploy
import template
import tokens
from carrier import Simulator
from console import CloudError, progress
from emulator import Emulator
from prerequisites import ROOT
from processes import Child
from settings import Settings

HEALTH_TIMEOUT = 120  # seconds; it takes one, but a busy machine pauses
SHOWN_ERRORS = 10
EMPTY = {"users": [], "machines": [], "inboxes": []}


@dataclass(frozen=True)
class Ready:
    """A running local cloud."""

    children: list[Child]
    document: dict
    file: Path


def run(command: list[str] | None, settings: Settings) -> int:
    """Runs until a signal comes, or until `command` ends. Returns the exit code."""
    with contextlib.ExitStack() as cleanup:
        try:
            ready = _start(settings, cleanup)
        except CloudError:
            _show_errors(settings)
            raise
        if command is not None:
            code = _run_command(command, ready, cleanup)
            if code:
                _show_errors(settings)
            return code
        print(_ready_message(ready.document, ready.file, is_simulated=settings.carrier_url is None), flush=True)
        return _watch(ready.children)


def _start(settings: Settings, cleanup: contextlib.ExitStack) -> Ready:
    """Starts everything, and registers what has to be stopped with `cleanup`."""
    settings.state.mkdir(parents=True, exist_ok=True)
    lock = cleanup.enter_context(open(settings.state / "lock", "w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CloudError(
            f"a local cloud already runs in {settings.state}; stop it, or choose another STATE_DIR and PORT"
        ) from None
    settings.check_port()
    file = settings.state / "stack.json"
    cleanup.callback(file.unlink, missing_ok=True)
    file.unlink(missing_ok=True)
    log = _product_log(settings)
    log.write_bytes(b"")

    binaries = template.binaries(template.load())
    programs = build.programs_folder()
    progress("packing the functions")
    packages = build.pack(programs, binaries, settings.state / "code")

    progress("starting the AWS emulator")
    emulator = Emulator(settings.port, settings.state, log)
    cleanup.callback(emulator.stop)
    emulator.await_ready()
    children = [emulator.child]

    api = f"{emulator.url}/_aws/execute-api/{template.API_ID}"
    carrier = settings.carrier_url
    simulator = None
    if carrier is None or settings.seed == "demo":
        progress("starting the carrier simulator")
        simulator = Simulator(programs / "carrier-simulator", settings, api)
        cleanup.callback(simulator.child.stop)
        simulator.await_ready()
    if carrier is None:
        children.append(simulator.child)
        carrier = simulator.url

    progress("deploying template.yaml (about 10 seconds)")
    parameters = {
        **settings.parameters,
        "Architecture": "arm64" if os.uname().machine in ("arm64", "aarch64") else "x86_64",
        "PublicBaseUrl": api,
        "RealtimeBaseUrl": f"{urlsplit(emulator.url).netloc}/_aws/execute-api",
        **_carrier_parameters(simulator.url if simulator else carrier, None if simulator else settings.media_hosts),
    }
    secret = template.load()["Parameters"]["CarrierSecretName"]["Default"]
    login = {"user": settings.account_sid, "password": settings.auth_token}
    account = {"accountSid": settings.account_sid, "authTokens": [settings.auth_token], "eventStreams": login}
    deploy.create_secret(emulator, secret, account)
    emulator.client("sesv2").create_email_identity(EmailIdentity=settings.parameters["MailFrom"])
    deploy.upload(emulator, packages)
    deployment = deploy.deploy(emulator, parameters, packages)
    _await_healthy(api, log)

    if settings.carrier_url is None:
        _connect_carrier(programs / "inboxctl", emulator)
    seed = EMPTY
    if settings.seed == "demo":
        progress("seeding demo data")
        seed = _seed(programs / "seed-demo", emulator, settings, api, simulator.url)
    if settings.carrier_url and simulator:
        progress(f"updating the stack to the carrier at {carrier}")
        deploy.update(emulator, parameters | _carrier_parameters(carrier, settings.media_hosts), packages)
        simulator.child.stop()
    document = {
        "apiUrl": api,
        "consoleUrl": f"{api}/console/",
        "webhookBaseUrl": api,
        "carrierUrl": carrier,
        "twilio": {"accountSid": settings.account_sid, "authToken": settings.auth_token, "eventStreams": login},
        "inspect": {"emails": f"{emulator.url}/_ministack/ses/messages"},
        "users": seed["users"],
        "machines": tokens.sign_in_machines(emulator, seed["machines"]),
        "log": os.path.relpath(log, ROOT),
        "inboxes": seed["inboxes"],
        "aws": {  # for any AWS client
            "endpoint": emulator.operator["AWS_ENDPOINT_URL"],
            "region": emulator.operator["AWS_REGION"],
            "table": deployment.outputs["TableName"],
            "queues": {"send": deployment.outputs["SendQueueUrl"]},
            "environment": emulator.operator,
            "stack": deploy.STACK,
            "outputs": deployment.outputs,
            "eventsTopicArn": deployment.outputs["EventsTopicArn"],
            "functions": deployment.of_type(template.load(), "AWS::Serverless::Function"),
        },
    }
    _write(file, document)
    progress("ready")
    return Ready(children, document, file)


def _product_log(settings: Settings) -> Path:
    return settings.state / "product.log"


def _show_errors(settings: Settings) -> None:
    """Shows the last errors that the functions have logged."""
    log = _product_log(settings)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    errors = [line for line in lines if '"level":"ERROR"' in line]
    if errors:
        progress(f"the last errors of the functions, from {log}:")
        print(*errors[-SHOWN_ERRORS:], sep="\n", file=sys.stderr, flush=True)


def _carrier_parameters(url: str, media_hosts: str | None) -> dict[str, str]:
    # The storage host of the simulator is the simulator itself, under another name.
    hosts = media_hosts or urlsplit(url).netloc.replace("127.0.0.1", "localhost")
    return {"CarrierBaseUrl": url, "CarrierMessagingUrl": url, "CarrierMediaHosts": hosts}


def _await_healthy(api: str, log: Path) -> None:
    deadline = time.monotonic() + HEALTH_TIMEOUT
    while True:
        try:
            with urllib.request.urlopen(f"{api}/healthz", timeout=HEALTH_TIMEOUT):
                return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                raise CloudError(f"GET {api}/healthz fails ({error}); the log of the functions is {log}") from None
            time.sleep(0.2)


def _connect_carrier(program: Path, emulator: Emulator) -> None:
    """Subscribes the product to the carrier's events, as an operator does once."""
    command = [str(program), "--stack", deploy.STACK, "doctor", "--mend"]
    _, output = Child.finish("inboxctl", command, {"PATH": os.defpath, **emulator.operator})
    findings = json.loads(output)["findings"]
    if not any(finding["code"] == "event_sink" and finding["level"] == "ok" for finding in findings):
        raise CloudError(f"inboxctl cannot connect the carrier: {findings}")


def _seed(program: Path, emulator: Emulator, settings: Settings, api: str, carrier: str) -> dict:
    """Adds demo data with the operator's tool, the API and the carrier simulator. Returns a description of it.

    With another carrier, the simulator runs only for that long: the numbers are bought from it.
    """
    command = [str(program), "--stack", deploy.STACK, "--api-url", api, "--carrier-url", carrier]
    command += ["--account-sid", settings.account_sid, "--auth-token", settings.auth_token]
    if settings.carrier_url:  # it does not know the campaigns of the simulator
        command += ["--registered-elsewhere", str(settings.segments_per_second)]
    code, output = Child.finish("seed-demo", command, {"PATH": os.defpath, **emulator.operator})
    if code != 0:
        raise CloudError(f"seed-demo failed with exit code {code}; see its messages above")
    return json.loads(output)


def _write(file: Path, document: dict) -> None:
    """Writes the file in one step. Only this user can read it, because it contains tokens."""
    draft = file.with_suffix(".json.new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    os.replace(draft, file)


def _watch(children: list[Child]) -> int:
    """Waits until a child ends. A signal raises an exception."""
    while not (ended := [child for child in children if child.exit_code is not None]):
        time.sleep(0.2)
    return _report_end(ended[0])


def _run_command(command: list[str], ready: Ready, cleanup: contextlib.ExitStack) -> int:
    """Runs the command while the cloud runs. Returns the exit code."""
    child = Child(command[0], command, {**os.environ, "STACK_FILE": str(ready.file)})
    cleanup.callback(child.stop)
    while child.exit_code is None:
        for service in ready.children:
            if service.exit_code is not None:
                return _report_end(service)
        time.sleep(0.05)
    return child.exit_code if child.exit_code >= 0 else 128 - child.exit_code


def _report_end(child: Child) -> int:
    progress(f"error: {child.name} ended unexpectedly (exit code {child.exit_code}); the last lines of {child.log}:")
    print(child.tail(), file=sys.stderr, flush=True)
    return 1


def _empty_message(document: dict, file: Path) -> str:
    """What to do first in a stack without data."""
    return f"""
  The local cloud is ready, and has no data.

  Carrier  {document["carrierUrl"]}
  API      {document["apiUrl"]}
  Details  {os.path.relpath(file, ROOT)}
  Log      {document["log"]}

  Create an organization with its owner:

     make ctl ARGS="organization create --name Clinic --owner-name Olivia --owner-email olivia@clinic.example"
     make ctl ARGS="token --user olivia"

  Ctrl-C stops everything.
"""


def _ready_message(document: dict, file: Path, is_simulated: bool) -> str:
    """What the local cloud consists of, and what to try."""
    api = document["apiUrl"]
    if not document["inboxes"]:
        return _empty_message(document, file)
    inbox = next(inbox for inbox in document["inboxes"] if inbox["registered"])
    index, member = next(
        (index, user)
        for index, user in enumerate(document["users"])
        if not user["owner"] and any(team["teamId"] == inbox["teamId"] and team["role"] == "member" for team in user["teams"])
    )
    stack = os.path.relpath(file, ROOT)
    logins = "\n".join(
        f"           {user['email']}  {user['password']}"
        for user in document["users"]
        if any(team["teamId"] == inbox["teamId"] for team in user["teams"])
    )
    phones = f"Phones   {document['carrierUrl']}/" if is_simulated else f"Carrier  {document['carrierUrl']}"
    first = (
        f"Open the phone page and send a message to {inbox['phoneNumber']}."
        if is_simulated
        else f"Text {inbox['phoneNumber']}."
    )
    return f"""
  The local cloud is ready.

  Console  {document["consoleUrl"]}
{logins}
  {phones}
  API      {api}  (reference: {api}/docs)
  Details  {stack} (users, passwords, tokens, inboxes, URLs)
  Log      {document["log"]}

  Try it:

  1. {first}
  2. Sign in to the console with one of the e-mail addresses and passwords above, and reply.
  3. List the conversations of that inbox as {member["name"]}:

     API={api}
     TOKEN=$(python3 -c "import json; print(json.load(open('{stack}'))['users'][{index}]['token'])")
     curl -H "Authorization: Bearer $TOKEN" "$API/v1/inboxes/{inbox["inboxId"]}/conversations?folder=inbox"

  README.md continues with a tour. Ctrl-C stops everything.
"""

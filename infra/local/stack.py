"""The local cloud from start to stop. stack.json, in the state folder, is there as long as it is ready."""

import contextlib
import fcntl
import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import build
import deploy
import people
import template
from carrier import Simulator
from emulator import Emulator, is_taken
from prerequisites import ROOT
from processes import Child
from say import Trouble, say
from settings import Settings

HEALTHY_SECONDS = 20


@dataclass(frozen=True)
class Ready:
    """A running local cloud."""

    children: list[Child]
    document: dict
    file: Path


def run(command: list[str] | None) -> int:
    """Runs until a signal comes, or around `command`; gives the exit code."""
    with contextlib.ExitStack() as cleanup:
        ready = _start(Settings.read(for_tests=command is not None), cleanup)
        if command is not None:
            return _around(command, ready, cleanup)
        print(_what_to_try(ready.document, ready.file, simulated=len(ready.children) > 1), flush=True)
        return _watch(ready.children)


def _start(settings: Settings, cleanup: contextlib.ExitStack) -> Ready:
    """Brings everything up. Whatever is started is also handed to `cleanup`."""
    settings.state.mkdir(parents=True, exist_ok=True)
    lock = cleanup.enter_context(open(settings.state / "lock", "w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Trouble(f"a local cloud runs from {settings.state} already; stop it, or give STATE_DIR and PORT") from None
    if is_taken(settings.port):
        raise Trouble(f"port {settings.port} is taken; stop what uses it, or choose another with PORT=…")
    file = settings.state / "stack.json"
    cleanup.callback(file.unlink, missing_ok=True)
    file.unlink(missing_ok=True)
    log = settings.state / "product.log"
    log.write_bytes(b"")

    binaries = template.binaries(template.load())
    programs = build.build(binaries)
    packages = build.pack(programs, binaries, settings.state / "code")

    begin = time.monotonic()
    say("starting the emulator")
    emulator = Emulator(settings.port, settings.state, log)
    cleanup.callback(emulator.stop)
    emulator.await_ready()
    children = [emulator.child]

    api = f"{emulator.url}/_aws/execute-api/{template.API_ID}"
    carrier = settings.foreign_carrier
    if carrier is None:
        say("starting the carrier simulator")
        simulator = Simulator(programs / "carrier-simulator", settings, api)
        cleanup.callback(simulator.child.stop)
        simulator.await_ready()
        children.append(simulator.child)
        carrier = simulator.url

    say("deploying template.yaml")
    parameters = {
        **settings.parameters,
        "Architecture": "arm64" if os.uname().machine in ("arm64", "aarch64") else "x86_64",
        "PublicBaseUrl": api,
        "CarrierBaseUrl": carrier,
        "CarrierMessagingUrl": carrier,
        # The simulator's storage host is itself under another name.
        "CarrierMediaHosts": settings.media_hosts or urlsplit(carrier).netloc.replace("127.0.0.1", "localhost"),
    }
    secret = template.load()["Parameters"]["CarrierSecretName"]["Default"]
    login = {"user": settings.account_sid, "password": settings.auth_token}
    account = {"accountSid": settings.account_sid, "authTokens": [settings.auth_token], "eventStreams": login}
    deploy.create_secret(emulator, secret, account)
    emulator.client("sesv2").create_email_identity(EmailIdentity=settings.parameters["MailFrom"])
    deploy.upload(emulator, packages)
    deployment = deploy.deploy(emulator, parameters, packages)
    _await_healthy(api, log)

    if settings.foreign_carrier is None:
        simulator.subscribe(api, login)
    say("seeding demo data")
    seed = _seed(programs / "seed-demo", emulator, deployment, settings, None if settings.foreign_carrier else carrier)
    for service in seed["services"]:
        simulator.approve(service)
    document = {
        "apiUrl": api,
        "webhookBaseUrl": api,
        "carrierUrl": carrier,
        "twilio": {"accountSid": settings.account_sid, "authToken": settings.auth_token, "eventStreams": login},
        "inspect": {"emails": f"{emulator.url}/_ministack/ses/messages"},
        "users": people.sign_in_users(emulator, deployment, seed["users"]),
        "machines": people.sign_in_machines(emulator, deployment, seed["machines"]),
        "log": os.path.relpath(log, ROOT),
        "inboxes": seed["inboxes"],
        "aws": {  # for looking inside: any AWS client can use it
            "environment": emulator.operator,
            "outputs": deployment.outputs,
            "functions": deployment.of_type(template.load(), "AWS::Serverless::Function"),
        },
    }
    _write(file, document)
    say(f"ready, {time.monotonic() - begin:.1f} s after the build")
    return Ready(children, document, file)


def _await_healthy(api: str, log: Path) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{api}/healthz", timeout=HEALTHY_SECONDS):
                return
        except (urllib.error.URLError, OSError) as failed:
            if time.monotonic() > deadline:
                raise Trouble(f"GET {api}/healthz fails ({failed}); the functions' words are in {log}") from None
            time.sleep(0.2)


def _seed(program: Path, emulator: Emulator, deployment: deploy.Deployment, settings: Settings, carrier: str | None) -> dict:
    """Demo data by the product's own code; it answers with what it has made. Numbers and the campaign of the registered
    team are made at the carrier too, if it is ours."""
    command = [str(program), "--endpoint-url", emulator.url, "--table", deployment.outputs["TableName"]]
    command += ["--machine-client-id", deployment.outputs["MachineClientId"]]
    command += ["--brand-sid", settings.parameters["BrandSid"]]
    if carrier:
        command += ["--carrier-url", carrier, "--account-sid", settings.account_sid, "--auth-token", settings.auth_token]
    code, output = Child.finish("seed-demo", command, {"PATH": os.defpath, **emulator.operator})
    if code != 0:
        raise Trouble(f"seed-demo failed with exit code {code} (its own words stand above)")
    return json.loads(output)


def _write(file: Path, document: dict) -> None:
    """Whole or not at all; for the eyes of this user, as it holds tokens."""
    draft = file.with_suffix(".json.new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    os.replace(draft, file)


def _watch(children: list[Child]) -> int:
    """Stays until a signal comes (an exception) or a child is gone."""
    while not (dead := [child for child in children if child.exit_code is not None]):
        time.sleep(0.2)
    return _died(dead[0])


def _around(command: list[str], ready: Ready, cleanup: contextlib.ExitStack) -> int:
    """Runs the command while the cloud lives."""
    guest = Child(command[0], command, {**os.environ, "STACK_FILE": str(ready.file)})
    cleanup.callback(guest.stop)
    while guest.exit_code is None:
        for child in ready.children:
            if child.exit_code is not None:
                return _died(child)
        time.sleep(0.05)
    return guest.exit_code if guest.exit_code >= 0 else 128 - guest.exit_code


def _died(child: Child) -> int:
    say(f"{child.name} has ended by itself (exit code {child.exit_code}); its last lines, from {child.log}:")
    say(child.tail())
    return 1


def _what_to_try(document: dict, file: Path, simulated: bool) -> str:
    """A few lines for whoever has just started it."""
    twilio, api = document["twilio"], document["apiUrl"]
    inbox = next((i for i in document["inboxes"] if i["registered"]), None)
    names = ", ".join(f"{u['name']} ({u['id']}{', owner' if u['owner'] else ''})" for u in document["users"])
    shown = os.path.relpath(file, ROOT)
    number = inbox["phoneNumber"] if inbox else "+1…"
    member = next((n for n, u in enumerate(document["users"]) if not u["owner"] and u["teams"]), 0)
    text_in = f"""
    curl -u {twilio["accountSid"]}:{twilio["authToken"]} {document["carrierUrl"]}/_twilio/simulate/inbound-message \\
      -d To={number.replace("+", "%2B")} -d From=%2B12025550123 -d Body=Hello"""
    return f"""
  API      {api}
  carrier  {document["carrierUrl"]}
  users    {names}
  details  {shown} (tokens, inboxes), log {document["log"]}

  {"A customer texts in, and a member" if simulated else "A member"} of the team looks at the shared inbox:
    API={api}
    TOKEN=$(python3 -c "import json; print(json.load(open('{shown}'))['users'][{member}]['token'])"){text_in if simulated else ""}
    curl -H "Authorization: Bearer $TOKEN" $API/v1/me
    curl -H "Authorization: Bearer $TOKEN" "$API/v1/inboxes/{inbox["inboxId"] if inbox else "…"}/conversations?folder=inbox"

  Ctrl-C stops it all."""

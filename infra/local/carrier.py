"""Starts the carrier simulator, unless the carrier is somewhere else."""

import base64
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from emulator import HOST, free_port
from processes import Child
from settings import Settings
from say import Trouble

READY_SECONDS = 15
_CAMPAIGN = "com.twilio.messaging.compliance.campaign-registration"
_NUMBER = "com.twilio.messaging.compliance.number-registration"
EVENTS = [
    *(f"{_CAMPAIGN}.campaign-{word}" for word in ("submitted", "approved", "failure", "suspended")),
    *(f"{_NUMBER}.{word}" for word in ("pending", "successful", "failed")),
]


class Simulator:
    """Our own small Twilio."""

    def __init__(self, program: Path, settings: Settings, webhook_base: str):
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        self.account = (settings.account_sid, settings.auth_token)
        log = settings.state / "carrier.log"
        log.unlink(missing_ok=True)
        command = [str(program), "--port", str(port), "--account-sid", settings.account_sid]
        command += ["--auth-token", settings.auth_token, "--webhook-base", webhook_base]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "RUST_LOG": os.environ.get("RUST_LOG", "info")}
        self.child = Child("the carrier simulator", command, environment, log)

    def subscribe(self, api: str, login: dict[str, str]) -> None:
        """Has registration events posted to the product, as an operator does once at Twilio."""
        scheme, rest = api.split("://", 1)
        destination = f"{scheme}://{login['user']}:{login['password']}@{rest}/webhooks/twilio/registrations"
        configuration = {"destination": destination, "method": "POST", "batch_events": True}
        sink = self._post(
            "/v1/Sinks",
            {
                "Description": "shared-inbox",
                "SinkType": "webhook",
                "SinkConfiguration": json.dumps(configuration),
            },
        )
        types = [("Types", json.dumps({"type": kind, "schema_version": 1})) for kind in EVENTS]
        self._post("/v1/Subscriptions", [("Description", "shared-inbox"), ("SinkSid", sink["sid"]), *types])

    def approve(self, service: str) -> None:
        """Approves a campaign without telling the product, which knows."""
        fields = {"MessagingServiceSid": service, "Status": "VERIFIED", "Notify": "false"}
        self._post("/_twilio/simulate/campaign-status", fields)

    def _post(self, path: str, fields) -> dict:
        credentials = base64.b64encode(f"{self.account[0]}:{self.account[1]}".encode()).decode()
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=urllib.parse.urlencode(fields).encode(),
            headers={"Authorization": f"Basic {credentials}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=READY_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise Trouble(f"the carrier simulator refused {path}: {refused.read().decode(errors='replace')}") from None

    def await_ready(self) -> None:
        """Returns once it says that it listens."""
        deadline = time.monotonic() + READY_SECONDS
        while "listening on" not in self.child.tail(100):
            if self.child.exit_code is not None or time.monotonic() > deadline:
                raise Trouble(f"the carrier simulator did not start; its last lines:\n{self.child.tail()}")
            time.sleep(0.05)

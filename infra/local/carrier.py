"""Starts and controls the carrier simulator."""

import base64
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from console import CloudError
from ports import HOST, free_port, is_taken
from processes import Child
from settings import Settings

READY_TIMEOUT = 15  # seconds


class Simulator:
    """The carrier simulator: Twilio's API on this machine."""

    def __init__(self, program: Path, settings: Settings, webhook_base: str):
        preferred = settings.carrier_port
        port = preferred if preferred and not is_taken(preferred) else free_port()
        self.url = f"http://{HOST}:{port}"
        self.account = (settings.account_sid, settings.auth_token)
        log = settings.state / "carrier.log"
        log.unlink(missing_ok=True)
        command = [str(program), "--port", str(port), "--account-sid", settings.account_sid]
        command += ["--auth-token", settings.auth_token, "--webhook-base", webhook_base]
        command += ["--segments-per-second", str(settings.segments_per_second)]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "RUST_LOG": os.environ.get("RUST_LOG", "info")}
        self.child = Child("the carrier simulator", command, environment, log)

    def approve_campaign(self, service: str) -> None:
        """Approves the campaign of a messaging service without an event: the demo data has it as approved."""
        fields = {"MessagingServiceSid": service, "Status": "VERIFIED", "Notify": "false"}
        self._post("/_twilio/simulate/campaign-status", fields)

    def name_number(self, number: str, name: str, is_inbox: bool) -> None:
        """Shows a name with a phone number on the phone page."""
        fields = {"PhoneNumber": number, "Name": name, "Inbox": str(is_inbox).lower()}
        self._post("/_twilio/simulate/name", fields)

    def _post(self, path: str, fields) -> dict:
        credentials = base64.b64encode(f"{self.account[0]}:{self.account[1]}".encode()).decode()
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=urllib.parse.urlencode(fields).encode(),
            headers={"Authorization": f"Basic {credentials}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=READY_TIMEOUT) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise CloudError(f"the carrier simulator refused {path}: {text}") from None

    def await_ready(self) -> None:
        """Returns when the simulator listens."""
        deadline = time.monotonic() + READY_TIMEOUT
        while "listening on" not in self.child.tail(100):
            if self.child.exit_code is not None or time.monotonic() > deadline:
                raise CloudError(f"the carrier simulator did not start; its last lines:\n{self.child.tail()}")
            time.sleep(0.05)

"""Starts and controls the carrier simulator."""

import os
import time
from pathlib import Path

from console import CloudError
from ports import HOST, free_port, is_taken
from processes import Child
from settings import Settings

READY_TIMEOUT = 120  # seconds; it takes one, but a busy machine pauses


class Simulator:
    """The carrier simulator: Twilio's API on this machine."""

    def __init__(self, program: Path, settings: Settings, webhook_base: str):
        preferred = settings.carrier_port
        port = preferred if preferred and not is_taken(preferred) else free_port()
        self.url = f"http://{HOST}:{port}"
        log = settings.state / "carrier.log"
        log.unlink(missing_ok=True)
        command = [str(program), "--port", str(port), "--account-sid", settings.account_sid]
        command += ["--auth-token", settings.auth_token, "--webhook-base", webhook_base]
        command += ["--segments-per-second", str(settings.segments_per_second)]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "RUST_LOG": os.environ.get("RUST_LOG", "info")}
        self.child = Child("the carrier simulator", command, environment, log)

    def await_ready(self) -> None:
        """Returns when the simulator listens."""
        deadline = time.monotonic() + READY_TIMEOUT
        while "listening on" not in self.child.tail(100):
            if self.child.exit_code is not None or time.monotonic() > deadline:
                raise CloudError(f"the carrier simulator did not start; its last lines:\n{self.child.tail()}")
            time.sleep(0.05)

"""Starts the carrier simulator, unless the carrier is somewhere else."""

import os
import time
from pathlib import Path

from emulator import HOST, free_port
from processes import Child
from settings import Settings
from say import Trouble

READY_SECONDS = 15


class Simulator:
    """Our own small Twilio."""

    def __init__(self, program: Path, settings: Settings, webhook_base: str):
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        log = settings.state / "carrier.log"
        log.unlink(missing_ok=True)
        command = [str(program), "--port", str(port), "--account-sid", settings.account_sid]
        command += ["--auth-token", settings.auth_token, "--webhook-base", webhook_base]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "RUST_LOG": os.environ.get("RUST_LOG", "info")}
        self.child = Child("the carrier simulator", command, environment, log)

    def await_ready(self) -> None:
        """Returns once it says that it listens."""
        deadline = time.monotonic() + READY_SECONDS
        while "listening on" not in self.child.tail(100):
            if self.child.exit_code is not None or time.monotonic() > deadline:
                raise Trouble(f"the carrier simulator did not start; its last lines:\n{self.child.tail()}")
            time.sleep(0.05)

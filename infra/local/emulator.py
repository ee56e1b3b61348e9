"""Starts the emulator on loopback, with permissions enforced and nothing of this machine's environment."""

import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

from processes import Child
from say import Trouble

REGION = "us-east-1"
HOST = "127.0.0.1"
READY_SECONDS = 60


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def is_taken(port: int) -> bool:
    """Whether somebody listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


class Emulator:
    """One ministack, its address and its clients."""

    def __init__(self, port: int, state: Path, product_log: Path):
        self.url = f"http://{HOST}:{port}"
        self.operator = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",  # the emulator's root
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        self._scratch = state / "emulator"
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)
        # The functions inherit this environment. Without AWS_ENDPOINT_URL in it they would call the real AWS.
        environment = {
            **self.operator,
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self._scratch),  # unpacked code; removed with the folder
            "HOME": str(self._scratch),
            "PRODUCT_LOG": str(product_log),
            "RIGHTS_LOG": str(state / "rights.jsonl"),
            "RUST_BACKTRACE": "1",
            "GATEWAY_PORT": str(port),
            "BIND_HOST": HOST,
            "AUTH": "true",
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        program = [sys.executable, str(Path(__file__).with_name("observed_ministack.py"))]
        self.child = Child("the emulator", program, environment, state / "emulator.log")

    def await_ready(self) -> None:
        """Returns once it answers."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            if self.child.exit_code is not None:
                raise Trouble(f"the emulator ended at its start; its last lines:\n{self.child.tail()}")
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline:
                    raise Trouble(f"the emulator did not answer within {READY_SECONDS} s, see {self.child.log}") from None
                time.sleep(0.1)

    def client(self, service: str):
        """An SDK client with the operator's rights."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 2}, read_timeout=120, s3={"addressing_style": "path"}),
        )

    def stop(self) -> None:
        """Ends it with all functions, and removes their unpacked code."""
        self.child.stop(patience=1.0)  # it would wait for our own open connections; nothing in it is kept
        shutil.rmtree(self._scratch, ignore_errors=True)

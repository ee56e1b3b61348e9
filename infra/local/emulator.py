"""Starts the AWS emulator on loopback, with permissions enforced and without this machine's environment."""

import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

from console import CloudError
from ports import HOST
from processes import Child

REGION = "us-east-1"
READY_TIMEOUT = 240  # seconds; it takes a few, but a busy machine pauses


class Emulator:
    """A running ministack."""

    def __init__(self, port: int, state: Path, product_log: Path):
        self.url = f"http://{HOST}:{port}"
        self.operator = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",  # the root user of the emulator
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        self._scratch = state / "emulator"
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)
        # The functions inherit this environment. Without AWS_ENDPOINT_URL they would call AWS itself.
        environment = {
            **self.operator,
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self._scratch),  # for unpacked code; removed with the folder
            "HOME": str(self._scratch),
            "PRODUCT_LOG": str(product_log),
            "RIGHTS_LOG": str(state / "rights.jsonl"),
            "TABLE_FAULTS": str(state / "table-faults"),
            "RUST_BACKTRACE": "1",
            "GATEWAY_PORT": str(port),
            "BIND_HOST": HOST,
            "AUTH": "true",
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        # A load test sets it, so that connections that end together do not start a process each.
        if concurrency := os.environ.get("LAMBDA_ACCOUNT_CONCURRENCY"):
            environment["LAMBDA_ACCOUNT_CONCURRENCY"] = concurrency
        program = [sys.executable, str(Path(__file__).with_name("emulator_process.py"))]
        self.child = Child("the emulator", program, environment, state / "emulator.log")

    def await_ready(self) -> None:
        """Returns when the emulator answers."""
        deadline = time.monotonic() + READY_TIMEOUT
        while True:
            if self.child.exit_code is not None:
                raise CloudError(f"the emulator did not start; its last lines:\n{self.child.tail()}")
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline:
                    raise CloudError(f"the emulator did not answer within {READY_TIMEOUT} s, see {self.child.log}") from None
                time.sleep(0.1)

    def client(self, service: str):
        """An SDK client with the permissions of the operator."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 2}, read_timeout=120, s3={"addressing_style": "path"}),
        )

    def stop(self) -> None:
        """Stops the emulator with all functions, and removes their unpacked code."""
        self.child.stop(patience=1.0)  # it waits for open connections; it has no state to save
        shutil.rmtree(self._scratch, ignore_errors=True)

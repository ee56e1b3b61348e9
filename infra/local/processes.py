"""Child processes, each with a process group of its own, so that nothing outlives the local cloud."""

import os
import signal
import subprocess
import time
from pathlib import Path

PATIENCE_SECONDS = 10


class Child:
    """A running program and everything it has started."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path | None = None):
        self.name = name
        self.log = log
        output = open(log, "ab") if log else None
        try:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL if log else None,
                stdout=output,
                stderr=output,
                start_new_session=bool(log),
                process_group=None if log else 0,
            )
        finally:
            if output:
                output.close()

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll()

    def tail(self, lines: int = 15) -> str:
        """The last lines it wrote."""
        if not self.log or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """Ends the whole group: politely, then not."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self._group_lives():
            time.sleep(0.05)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def _group_lives(self) -> bool:
        self.process.poll()  # collects it, so that it does not count as living
        try:
            os.killpg(self.process.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

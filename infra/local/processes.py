"""Child processes. Each has its own process group, and all of them end with the local cloud."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


class Stopped(BaseException):
    """A signal asked the local cloud to stop."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


def stop_on_signals() -> None:
    """Makes Ctrl-C, SIGTERM and a closed terminal raise Stopped once. Later signals do not interrupt the cleanup."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(number, _frame):
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for each in signals:
        signal.signal(each, stop)


def _end_with_parent() -> None:
    """Runs in a new child: makes it end even if the local cloud is killed without a cleanup (Linux only)."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A running program with everything that it starts. Its output goes to the log, if any, else to the terminal."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path | None = None, **more):
        self.name = name
        self.log = log
        output = open(log, "ab") if log else None
        try:
            self.process = subprocess.Popen(
                command,
                env=environment,
                start_new_session=True,
                preexec_fn=_end_with_parent,
                **{"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, **more},
            )
        finally:
            if output:
                output.close()

    @classmethod
    def finish(cls, name: str, command: list[str], environment: dict[str, str], **more) -> tuple[int, str]:
        """Runs a program to its end, or stops it on an exception. Returns the exit code and standard output."""
        child = cls(name, command, environment, stdout=subprocess.PIPE, text=True, **more)
        try:
            output, _ = child.process.communicate()
        except BaseException:
            child.stop()
            raise
        return child.process.returncode, output

    @property
    def exit_code(self) -> int | None:
        """`None` while the program runs."""
        return self.process.poll()

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        if not self.log or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, patience: float = 5.0) -> None:
        """Stops the whole process group: with SIGTERM, and after `patience` seconds with SIGKILL."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and self._group_is_alive():
            time.sleep(0.05)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def _group_is_alive(self) -> bool:
        self.process.poll()  # collects the exit code, so that a finished process does not count as alive
        try:
            os.killpg(self.process.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

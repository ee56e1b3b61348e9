"""Child processes, each with a process group of its own, and how all of them end with the local cloud."""

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
    """Somebody wants the local cloud to end."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


def stop_on_signals() -> None:
    """From now on Ctrl-C, SIGTERM and a closed terminal raise Stopped, once: tidying up is not interrupted."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(number, _frame):
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for each in signals:
        signal.signal(each, stop)


def _end_with_parent() -> None:
    """In a new child: end even when the local cloud is killed and can tidy nothing up (Linux only)."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A running program and everything it has started. With a log its output goes there, else it is ours."""

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
        """Runs a program to its end: exit code and standard output. Interrupted, it is ended with all it started."""
        child = cls(name, command, environment, stdout=subprocess.PIPE, text=True, **more)
        try:
            output, _ = child.process.communicate()
        except BaseException:
            child.stop()
            raise
        return child.process.returncode, output

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll()

    def tail(self, lines: int = 15) -> str:
        """The last lines it wrote to its log."""
        if not self.log or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, patience: float = 5.0) -> None:
        """Ends the whole group: politely, and after so many seconds not."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + patience
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

"""What the machine must have, and the virtualenv with the emulator. Uses the standard library only."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from console import CloudError, progress
from processes import Child

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"
VIRTUALENV = ROOT / ".local" / "venv"
PYTHON = VIRTUALENV / "bin" / "python3"
MINIMUM_PYTHON = (3, 11)  # of the packages in requirements.txt


def check() -> None:
    """Names everything that is missing in one error."""
    missing = []
    if sys.version_info < MINIMUM_PYTHON:
        missing.append(f"Python {'.'.join(map(str, MINIMUM_PYTHON))} or newer")
    if not shutil.which("cargo"):
        missing.append("Rust with cargo (https://rustup.rs)")
    if not shutil.which("cc"):
        missing.append("a C compiler named cc (Debian: apt install gcc libc6-dev; macOS: xcode-select --install)")
    if missing:
        raise CloudError(f"please install {', and '.join(missing)}")


def create_virtualenv() -> None:
    """Creates the virtualenv, or creates it again if requirements.txt has changed."""
    mark = VIRTUALENV / "requirements.sha256"
    expected = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    VIRTUALENV.parent.mkdir(parents=True, exist_ok=True)
    with open(VIRTUALENV.parent / "venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two local clouds can start at once
        if not (PYTHON.exists() and mark.exists() and mark.read_text() == expected):
            progress("installing the emulator in .local/venv (once, about half a minute)")
            shutil.rmtree(VIRTUALENV, ignore_errors=True)
            _install()
            mark.write_text(expected)
            progress("the emulator is installed")


def _install() -> None:
    created = subprocess.run([sys.executable, "-m", "venv", str(VIRTUALENV)], capture_output=True, text=True)
    if created.returncode != 0:
        raise CloudError("please install Python's venv module (Debian: apt install python3-venv)")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    code, _ = Child.finish("pip", pip, dict(os.environ))
    if code != 0:
        raise CloudError("pip could not install infra/local/requirements.txt; see its messages above")

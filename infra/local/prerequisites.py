"""What the machine must have, and the private virtualenv with the emulator. Standard library only."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from say import Trouble, say

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"
VIRTUALENV = ROOT / ".local" / "venv"


def check() -> None:
    """Names everything that is missing in one sentence."""
    missing = []
    if sys.version_info < (3, 10):
        missing.append("Python 3.10 or newer")
    if not shutil.which("cargo"):
        missing.append("Rust with cargo (https://rustup.rs)")
    if not shutil.which("cc"):
        missing.append("a C compiler named cc (Debian: apt install gcc libc6-dev; macOS: xcode-select --install)")
    if missing:
        raise Trouble(f"please install {', and '.join(missing)}")


def virtualenv() -> Path:
    """Path of the virtualenv's python; made or renewed when requirements.txt has changed."""
    python = VIRTUALENV / "bin" / "python3"
    mark = VIRTUALENV / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    VIRTUALENV.parent.mkdir(parents=True, exist_ok=True)
    with open(VIRTUALENV.parent / "venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two local clouds may start at once
        if not (python.exists() and mark.exists() and mark.read_text() == wanted):
            say("making the virtualenv for the emulator (once, about half a minute)")
            shutil.rmtree(VIRTUALENV, ignore_errors=True)
            _make()
            mark.write_text(wanted)
    return python


def _make() -> None:
    made = subprocess.run([sys.executable, "-m", "venv", str(VIRTUALENV)], capture_output=True, text=True)
    if made.returncode != 0:
        raise Trouble("please install Python's venv module (Debian: apt install python3-venv); python3 -m venv failed")
    pip = [str(VIRTUALENV / "bin" / "python3"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "-r", str(REQUIREMENTS)]).returncode != 0:
        raise Trouble("pip could not install infra/local/requirements.txt (its own words stand above)")

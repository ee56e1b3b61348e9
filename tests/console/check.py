#!/usr/bin/env python3
"""Checks the console: `types` with the compiler of TypeScript, `journeys` in a browser against the local cloud.

Runs on the Node.js of .local/tools, so it is called by `make console-types` and `make console-test`.

    check.py types                  types of the modules and of the tests; vendored files against their packages
    check.py journeys [PATTERN]     the journeys, or those whose name matches; needs STACK_FILE
    check.py issuer                 the journeys with another identity provider; needs STACK_FILE and JWT_ISSUER
    check.py screenshots FOLDER     a screenshot of each view; needs STACK_FILE
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from nodejs import Packages  # noqa: E402

WEB = HERE.parents[1] / "functions/console/web"
# With this setting, the package of Chromium unpacks the system libraries that it needs.
PACKAGES = Packages(HERE, AWS_EXECUTION_ENV="AWS_Lambda_nodejs22.x")
# One file at a time: they share the cloud.
JOURNEYS = ["replies.test.js", "compose.test.js", "journeys.test.js", "administration.test.js"]
# The console's content security policy allows no import map, so the packages import each other by path.
VENDORED = {
    "preact.js": "preact/dist/preact.mjs",
    "hooks.js": "preact/hooks/dist/hooks.mjs",
    "signals.js": "@preact/signals/dist/signals.mjs",
    "signals-core.js": "@preact/signals-core/dist/signals-core.mjs",
    "htm.js": "htm/dist/htm.mjs",
}
PATHS = {
    '"preact/hooks"': '"./hooks.js"',
    '"preact"': '"./preact.js"',
    '"@preact/signals-core"': '"./signals-core.js"',
}


def check_vendored() -> None:
    """Compares the vendored files with the packages, whose checksums are in package-lock.json."""
    for name, source in VENDORED.items():
        text = (PACKAGES.modules / source).read_text().split("\n//# sourceMappingURL=")[0].rstrip("\n")
        for package, path in PATHS.items():
            text = text.replace(f"from{package}", f"from{path}")
        if (WEB / "vendor" / name).read_text().rstrip("\n") != text:
            sys.exit(f"vendor/{name} differs from {source}")


def main(command: str, *arguments: str) -> None:
    PACKAGES.install()
    if command == "types":
        check_vendored()
        PACKAGES.run("tsc", "--project", "tsconfig.json")
        PACKAGES.run("tsc", "--project", "tsconfig.tests.json")
    elif command == "journeys":
        pattern = [f"--test-name-pattern={arguments[0]}"] if arguments else []
        PACKAGES.run("node", "--test", "--test-reporter=spec", "--test-concurrency=1", *pattern, *JOURNEYS)
    elif command == "issuer":
        PACKAGES.run("node", "--test", "--test-reporter=spec", "issuer.test.js")
    elif command == "screenshots":
        PACKAGES.run("node", "screenshots.js", *arguments)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["help"]))

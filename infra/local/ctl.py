#!/usr/bin/env python3
"""Runs inboxctl. With --local, or without --region, it works on the local cloud that runs in STATE_DIR (.local).

    ctl.py --local organization list
    ctl.py --stack shared-inbox-dev --region us-east-1 doctor
"""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from prerequisites import ROOT  # noqa: E402


def main() -> int:
    arguments = [argument for argument in sys.argv[1:] if argument != "--local"]
    environment = dict(os.environ)
    if len(arguments) < len(sys.argv[1:]) or not any(argument.split("=")[0] == "--region" for argument in arguments):
        file = Path(os.environ.get("STACK_FILE") or ROOT / (os.environ.get("STATE_DIR") or ".local") / "stack.json")
        if not file.exists():
            print(f"{file} does not exist. Start the local cloud with `make run`, or name a stack with --stack and --region.", file=sys.stderr)
            return 1
        settings = json.loads(file.read_text())["aws"]
        environment |= settings["environment"]
        environment["INBOXCTL_STACK"] = settings["stack"]
    build = ["cargo", "build", "--quiet", "--workspace", "--examples", "--bin", "inboxctl"]  # features as in build.py
    if (code := subprocess.run(build, cwd=ROOT).returncode) != 0:
        return code
    target = Path(environment.get("CARGO_TARGET_DIR") or ROOT / "target")
    return subprocess.run([target / "debug" / "inboxctl", *arguments], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())

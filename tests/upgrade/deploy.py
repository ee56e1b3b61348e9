#!/usr/bin/env python3
"""Updates the stack of STACK_FILE to a version, as `sam deploy` does: parameters keep their values, except those that
CHANGELOG.md tells the operator to change (parameters.json), and new ones have their defaults.

    deploy.py upload earlier|later    packs and uploads the functions
    deploy.py update earlier|later    updates the stack, and prints the version's commit
    deploy.py failed earlier|later    prints the dead letters
    deploy.py errors earlier|later    prints the errors in the log, each with its function
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EARLIER = ROOT / ".local" / "upgrade" / "earlier"
CHECKOUTS = {"earlier": EARLIER, "later": ROOT}


class NoManagedPolicies:
    """The managed policies by name, for the transform. The template names none."""

    def load(self) -> dict:
        return {}


def errors(logs, functions: dict[str, str], log: Path) -> list[dict]:
    """The errors in the log. Only CloudWatch Logs tells which function wrote a line, in the name of the stream, and it has no
    line of an environment that has ended."""
    writers = {}
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            writers |= {event["message"].strip(): event["logStreamName"] for event in page["events"]}
    found = []
    for line in log.read_text(errors="replace").splitlines():
        if '"level":"ERROR"' in line:
            stream = writers.get(line.strip(), "")
            names = [logical for logical, name in functions.items() if f"/{name}[" in stream]
            found.append({"function": (names or [None])[0], "line": json.loads(line)})
    return found


def main(step: str, version: str) -> None:
    python = ROOT / ".local" / "venv" / "bin" / "python3"
    if Path(sys.executable) != python:
        os.execv(python, [str(python), *sys.argv])
    checkout = CHECKOUTS[version]
    sys.path.insert(0, str(checkout / "infra" / "local"))  # each version knows how its template is deployed
    import build
    import deploy
    import template
    from console import CloudError
    from emulator import REGION, Emulator
    from samtranslator.translator.transform import transform

    os.environ["AWS_DEFAULT_REGION"] = REGION  # the transform asks for the region's partition
    stack_file = Path(os.environ["STACK_FILE"])
    running = json.loads(stack_file.read_text())["aws"]
    programs = Path(os.environ[f"{version.upper()}_PROGRAMS"])
    if step == "failed":
        command = [programs / "inboxctl", "--stack", running["stack"], "dead-letters", "list"]
        sys.exit(subprocess.run(command, env={**os.environ, **running["environment"]}).returncode)
    emulator = object.__new__(Emulator)  # the one that runs
    emulator.url = running["endpoint"]
    if step == "errors":
        log = stack_file.with_name("product.log")
        return print(json.dumps(errors(emulator.client("logs"), running["functions"], log)))
    product = template.load()
    packages = build.pack(programs, template.binaries(product), stack_file.parent / f"code-{version}")
    if step == "upload":
        for package in packages.values():
            emulator.client("s3").put_object(Bucket=deploy.BUCKET, Key=package.key, Body=package.path.read_bytes())
        return
    # Not in the emulator, where it would stop the tables and queues for seconds.
    deploy._processed = lambda _emulator, _formation, filled, _kind: transform(filled, {}, NoManagedPolicies())
    stack = emulator.client("cloudformation").describe_stacks(StackName=deploy.STACK)["Stacks"][0]
    values = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}
    values |= json.loads(Path(__file__).with_name("parameters.json").read_text())
    try:
        deploy.update(emulator, {name: values[name] for name in product["Parameters"] if name in values}, packages)
    except CloudError as error:
        sys.exit(str(error))
    print(subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True).stdout.strip())


if __name__ == "__main__":
    main(*sys.argv[1:])

#!/usr/bin/env python3
"""Runs the property tests and random walks with fresh seeds, and keeps each seed that fails in property-seeds.txt.

`cargo test` runs them with one fixed seed (.cargo/config.toml), so that a failure always has a cause in the change.

    properties.py --minutes 10    the kept seeds, then fresh ones
    properties.py --seed 42       one seed
    properties.py --kept          the kept seeds of repaired faults, as a part of `make test`
"""

import argparse
import os
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SEEDS = ROOT / "tests" / "property-seeds.txt"

# Arguments of `cargo test` that select the property tests of a package.
SUITES = [
    ["-p", "shared-domain", "--lib", "--", "--skip", "minute_by_minute"],
    ["-p", "shared-carriers", "--test", "twilio", "--", "properties"],
    ["-p", "shared-aws", "--test", "contract", "--", "_walk", "while_conversations_move"],
]


def kept() -> list[list[str]]:
    """State, package, target, test and seed of each kept seed."""
    lines = (line.split("#")[0].split() for line in SEEDS.read_text().splitlines())
    return [line for line in lines if line]


def run(seed: str, arguments: list[str]) -> list[str]:
    """Names of the tests that fail with this seed."""
    environment = {**os.environ, "PROPTEST_RNG_SEED": seed, "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "true"}
    ended = subprocess.run(
        ["cargo", "test", "--quiet", *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    failed = sorted(set(re.findall(r"^    (\w+(?:::\w+)*)$", ended.stdout, re.MULTILINE)))
    if ended.returncode != 0:
        print(ended.stdout, flush=True)
        if not failed:
            sys.exit("the tests did not run")
    return failed


def replay(states: set[str]) -> bool:
    """Runs the kept seeds. `open` faults must still fail; `fixed` ones must pass."""
    as_expected = True
    for state, package, target, test, seed in kept():
        if state not in states:
            continue
        fails = bool(run(seed, ["-p", package, f"--{target}" if target == "lib" else f"--test={target}", "--", "--exact", test]))
        print(f"seed {seed}: {test} {'fails' if fails else 'passes'} ({state})", flush=True)
        if fails != (state == "open"):
            as_expected = False
            print("  mark it as `fixed`" if state == "open" else "  a repaired fault is back", flush=True)
    return as_expected


def fresh(seed: str) -> bool:
    """Runs all property tests with one seed, and keeps it for each test that fails."""
    print(f"seed {seed}", flush=True)
    passed = True
    for arguments in SUITES:
        package, target = arguments[1], arguments[3] if arguments[2] == "--test" else "lib"
        for test in run(seed, arguments):
            passed = False
            print(f"FAILED {package} {test}: PROPTEST_RNG_SEED={seed}", flush=True)
            if not any(line[1:] == [package, target, test, seed] for line in kept()):
                with SEEDS.open("a") as file:
                    file.write(f"open {package} {target} {test} {seed}\n")
    return passed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed")
    parser.add_argument("--kept", action="store_true")
    options = parser.parse_args()
    if options.kept:
        passed = replay({"fixed"})
    elif options.seed:
        passed = fresh(options.seed)
    else:
        passed, end = replay({"fixed", "open"}), time.monotonic() + options.minutes * 60
        while time.monotonic() < end:
            passed &= fresh(str(secrets.randbits(64)))
    if not passed:
        sys.exit("property tests failed; the seeds are in tests/property-seeds.txt")


if __name__ == "__main__":
    main()

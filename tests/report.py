#!/usr/bin/env python3
"""Runs a command and shows its output. If it fails, the last lines name the failed tests and how to repeat each.

    report.py COMMAND…
"""

import re
import subprocess
import sys

COLOR = re.compile(r"\x1b\[[0-9;]*m")
CLOUD = "python3 infra/local/cloud.py exec -- "  # the journeys need a local cloud


def main(command: list[str]) -> int:
    step, names, failed = "", [], []
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    for line in child.stdout:
        print(line, end="", flush=True)
        plain = COLOR.sub("", line.rstrip())
        if plain.startswith("== "):
            step = plain[3:]
        elif match := re.fullmatch(r"test (.+) \.\.\. FAILED", plain):
            names.append(match[1].removesuffix(" - should panic"))
        elif match := re.fullmatch(r"error: (?:doc)?test failed, to rerun pass `(.+)`", plain):
            failed += [(match[1], name) for name in names]
            names = []
    code = child.wait()
    if code == 0:
        return 0
    print(f"\n== FAILED: {step or ' '.join(command)}" if not failed else f"\n== FAILED: {len(failed)} test(s)")
    for target, name in failed:
        test = f"cargo test {target} -- --exact '{name}'"
        print(f"{name}\n  {CLOUD if any(name in target for name in ('--test journeys', '--test outages')) else ''}{test}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

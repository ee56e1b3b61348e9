#!/usr/bin/env python3
"""Prints the version that stacks are updated from: the last tag `v…` before the commit of the current folder, or the commit
in tests/upgrade/baseline if there is none."""

import subprocess
from pathlib import Path

BASELINE = Path(__file__).with_name("baseline")


def version(folder: Path = Path()) -> str:
    # Not from HEAD: a tagged commit would be compared with itself.
    last_tag = ["git", "describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^"]
    described = subprocess.run(last_tag, cwd=folder, capture_output=True, text=True)
    return described.stdout.strip() if described.returncode == 0 else BASELINE.read_text().strip()


if __name__ == "__main__":
    print(version())

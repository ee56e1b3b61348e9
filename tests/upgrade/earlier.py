#!/usr/bin/env python3
"""Prints the version that stacks are updated from: the last tag `v…` before the commit of the current folder, or the commit
in tests/upgrade/baseline if there is none."""

import os
import subprocess
import sys
from pathlib import Path

BASELINE = Path(__file__).with_name("baseline")
# What git says without such a tag. The first commit has no HEAD^.
NO_TAG = ("No names found", "No tags can describe", "Not a valid object name HEAD^")


def version(folder: Path = Path()) -> str:
    # Not from HEAD: a tagged commit would be compared with itself.
    last_tag = ["git", "describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^"]
    english = {**os.environ, "LC_ALL": "C"}
    described = subprocess.run(last_tag, cwd=folder, env=english, capture_output=True, text=True)
    if described.returncode == 0:
        return described.stdout.strip()
    if not any(reason in described.stderr for reason in NO_TAG):
        sys.exit(described.stderr.strip())
    return BASELINE.read_text().strip()


if __name__ == "__main__":
    print(version())

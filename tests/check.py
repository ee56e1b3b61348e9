#!/usr/bin/env python3
"""Format, lints and fast tests of the packages that differ from the branch main (or BASE=…), for the inner loop."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Packages whose tests are slow or need the local cloud. `make test` runs them.
SLOW = {"product-bench", "product-tests", "simulations"}


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def run(*command: str) -> None:
    print("+", *command, flush=True)
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        sys.exit(1)


def changed_files() -> list[str]:
    base = output("git", "merge-base", "HEAD", os.environ.get("BASE") or "main").strip()
    new = output("git", "ls-files", "--others", "--exclude-standard")
    return (output("git", "diff", "--name-only", base) + new).splitlines()


def changed_packages(files: list[str]) -> set[str]:
    metadata = json.loads(output("cargo", "metadata", "--no-deps", "--format-version", "1"))
    folders = {
        str(Path(package["manifest_path"]).parent.relative_to(ROOT)): package["name"] for package in metadata["packages"]
    }
    owners = (next((str(p) for p in Path(file).parents if str(p) in folders), None) for file in files)
    return {folders[owner] for owner in owners if owner}


def main() -> None:
    files = changed_files()
    if not files:
        print(f"Nothing differs from {os.environ.get('BASE') or 'main'}: only format and comments are checked.")
    packages = changed_packages(files)
    run("cargo", "fmt", "--all", "--check")
    run(sys.executable, "tests/comments.py")
    if packages:
        selected = [argument for name in sorted(packages) for argument in ("-p", name)]
        run("cargo", "clippy", *selected, "--all-targets", "--", "-D", "warnings")
    if tested := sorted(packages - SLOW):
        selected = [argument for name in tested for argument in ("-p", name)]
        run("cargo", "test", "--quiet", *selected, "--lib", "--bins", "--tests", "--", "--skip", "minute_by_minute")
    if "product-tests" in packages or any(not file.endswith(".rs") for file in files):
        run("cargo", "test", "--quiet", "-p", "product-tests", "--test", "template")
    print("ok")


if __name__ == "__main__":
    main()

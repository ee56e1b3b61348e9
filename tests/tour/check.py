#!/usr/bin/env python3
"""Types the commands of the documentation into interactive shells, and requires the output that the pages show.

Runs against a local cloud: python3 infra/local/cloud.py exec -- python3 tests/tour/check.py
Each shell types all pages, and then types them again. zsh is skipped if it is not installed.
"""

import re
import shutil
import sys
import tempfile

from shell import ROOT, Shell, blocks

PAGES = ["README.md", "docs/create-an-inbox.md", "docs/import-contacts.md", "docs/broadcasts.md"]
OTHER_COMMANDS = ("make ", "aws ")  # not part of the tour
# What differs from run to run.
MASKS = [
    (r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:0"),
    (r"SM[0-9a-f]{32}", "SM0"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-01-01T00:00:00Z"),
    (r"(?m)^(token +)\d+$", r"\g<1>1"),
    (r"sales-line-[0-9a-z]+", "sales-line"),
    (r"\+1415555\d{4}", "+14155552000"),
]


def steps(page: str) -> list[tuple[str, str]]:
    """Blocks of commands, each with the output that follows it."""
    return [pair for pair in blocks((ROOT / page).read_text()) if not pair[0].startswith(OTHER_COMMANDS)]


def masked(output: str) -> str:
    for pattern, replacement in MASKS:
        output = re.sub(pattern, replacement, output)
    return output.strip()


def main() -> int:
    differences = 0
    for name in filter(shutil.which, ["bash", "zsh"]):
        with tempfile.TemporaryDirectory() as home:
            shell = Shell(name, home)
            for page in PAGES * 2:
                for commands, expected in steps(page):
                    output = "".join(shell.run(line) for line in commands.splitlines())
                    if expected and masked(output) != masked(expected):
                        differences += 1
                        print(f"{page} in {name}:\n{commands}\nshows:\n{expected}\nprints:\n{output}")
                print(f"typed {page} in {name}")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())

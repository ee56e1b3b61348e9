#!/usr/bin/env python3
"""Types the commands of the documentation into interactive shells, and requires the output that the pages show.

Runs against a local cloud: python3 infra/local/cloud.py exec -- python3 tests/tour/check.py
Each shell types all pages, and then types them again. zsh is skipped if it is not installed.
"""

import os
import pty
import re
import select
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "docs/create-an-inbox.md", "docs/import-contacts.md"]
OTHER_COMMANDS = ("make ", "aws ")  # not part of the tour
PROMPT = "tour-prompt"
COMMAND_TIMEOUT_SECONDS = 60
STARTUP_FILES = {
    ".bashrc": f"PS1={PROMPT}\nbind 'set enable-bracketed-paste off'\n",
    ".zshrc": f"PS1={PROMPT}\nunsetopt prompt_cr prompt_sp zle\n",
}
# What differs from run to run.
MASKS = [
    (r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:0"),
    (r"SM[0-9a-f]{32}", "SM0"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-01-01T00:00:00Z"),
    (r"(?m)^(token +)\d+$", r"\g<1>1"),
    (r"sales-line-[0-9a-z]+", "sales-line"),
    (r"\+1415555\d{4}", "+14155552000"),
]


class Shell:
    """An interactive shell at a terminal of its own."""

    def __init__(self, name: str, home: str) -> None:
        for file, text in STARTUP_FILES.items():
            Path(home, file).write_text(text)
        environment = {**os.environ, "HOME": home, "ZDOTDIR": home, "TERM": "dumb"}
        process, self.terminal = pty.fork()
        if process == 0:
            os.chdir(ROOT)
            os.execvpe(name, [name, "-i"], environment)
        self._until_prompt()

    def run(self, line: str) -> str:
        """The output of one line, without the echo of the line."""
        os.write(self.terminal, f"{line}\n".encode())
        return self._until_prompt().partition("\n")[2]

    def _until_prompt(self) -> str:
        output, deadline = b"", time.monotonic() + COMMAND_TIMEOUT_SECONDS
        while not output.endswith(PROMPT.encode()):
            if time.monotonic() > deadline:
                sys.exit(f"no prompt after {COMMAND_TIMEOUT_SECONDS} s: {output.decode()[-500:]}")
            if select.select([self.terminal], [], [], 0.1)[0]:
                output += os.read(self.terminal, 65536)
        return output.decode().replace("\r", "").removesuffix(PROMPT)


def steps(page: str) -> list[tuple[str, str]]:
    """Blocks of commands, each with the output that follows it."""
    text = (ROOT / page).read_text()
    blocks = re.findall(r"^```(sh|text)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    pairs = [
        (block, blocks[place + 1][1] if blocks[place + 1 : place + 2] and blocks[place + 1][0] == "text" else "")
        for place, (kind, block) in enumerate(blocks)
        if kind == "sh"
    ]
    return [pair for pair in pairs if not pair[0].startswith(OTHER_COMMANDS)]


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

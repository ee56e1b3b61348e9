"""An interactive shell at a terminal, and the commands of a page."""

import os
import pty
import re
import select
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROMPT = "tour-prompt"
COMMAND_TIMEOUT_SECONDS = 60
STARTUP_FILES = {
    ".bashrc": f"PS1={PROMPT}\nbind 'set enable-bracketed-paste off'\n",
    ".zshrc": f"PS1={PROMPT}\nunsetopt prompt_cr prompt_sp zle\n",
}


class Shell:
    """An interactive shell at a terminal of its own. `variables` are added to the environment."""

    def __init__(self, name: str, home: str, **variables: str) -> None:
        for file, text in STARTUP_FILES.items():
            Path(home, file).write_text(text)
        environment = {**os.environ, **variables, "HOME": home, "ZDOTDIR": home, "TERM": "dumb"}
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


def blocks(text: str, indent: str = "") -> list[tuple[str, str]]:
    """Blocks of commands, each with the output that follows it. `indent` is the pattern of spaces before a block."""
    found = re.findall(rf"^{indent}```(sh|text)\n(.*?)^{indent}```", text, re.DOTALL | re.MULTILINE)
    return [
        (block, found[place + 1][1] if found[place + 1 : place + 2] and found[place + 1][0] == "text" else "")
        for place, (kind, block) in enumerate(found)
        if kind == "sh"
    ]

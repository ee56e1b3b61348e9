#!/usr/bin/env python3
"""Checks the comments: at most 110 columns wide, and in plain English.

Rows of tables, code and lines with a link may be wider.

    comments.py          lists the lines to change
    comments.py --write  rewraps the paragraphs that are too wide
"""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 110
FILES = ("*.rs", "*.py", "*.toml", "*.yaml", "*.yml", "*.sh", "Makefile")

# Words that made sentences hard to read in earlier versions of this repository.
WORDS = re.compile(r"\b(anew|by and by|meanwhile|of ours|so many|that (?:is|are) none|whoever)\b", re.IGNORECASE)

RUST = re.compile(r"(?P<indent>\s*)(?P<mark>//[!/]?)(?P<text> .*|)$")
HASH = re.compile(r"(?P<indent>\s*)(?P<mark>#)(?P<text> .*|)$")
ITEM = re.compile(r"\s*(?:[-*]|\d+\.)\s+")


def comment(path: Path, line: str) -> re.Match[str] | None:
    return (RUST if path.suffix == ".rs" else HASH).match(line)


def is_verbatim(text: str) -> bool:
    """Whether a line of a comment is no prose: a table, a heading, code, or a link on its own."""
    return not text.strip() or text.lstrip().startswith(("|", "#", "`" * 3, "<http")) or text.startswith(" " * 5)


def paragraphs(path: Path, lines: list[str]):
    """Yields the first and last line of each paragraph, and the width of its hanging indent."""
    start, hanging, previous, in_code = None, 0, None, False
    for number, line in enumerate([*lines, ""]):
        match = comment(path, line)
        text = match["text"] if match else ""
        prefix = match and (match["indent"], match["mark"])
        fence = text.lstrip().startswith("`" * 3)
        verbatim = in_code or is_verbatim(text)
        in_code = bool(match) and (in_code != fence)
        item = ITEM.match(text) if not verbatim else None
        indent = len(item[0]) if item else len(text) - len(text.lstrip())
        if start is not None and (verbatim or item or prefix != previous or indent != hanging):
            yield start, number - 1, hanging
            start = None
        if not verbatim and start is None:
            start, hanging, previous = number, indent, prefix


def is_too_wide(line: str) -> bool:
    return len(line) > WIDTH and "://" not in line


def rewrapped(path: Path, lines: list[str]) -> list[str]:
    result = list(lines)
    for first, last, hanging in reversed(list(paragraphs(path, lines))):
        if not any(is_too_wide(line) for line in lines[first : last + 1]):
            continue
        head = comment(path, lines[first])
        margin = head["indent"] + head["mark"]
        words = " ".join(comment(path, line)["text"].strip() for line in lines[first : last + 1])
        item = ITEM.match(head["text"])
        result[first : last + 1] = textwrap.wrap(
            words.removeprefix(item[0].strip()).strip() if item else words,
            width=WIDTH,
            initial_indent=margin + (item[0] if item else " " * hanging),
            subsequent_indent=margin + " " * hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return result


def faults(path: Path, lines: list[str]):
    for first, last, _ in paragraphs(path, lines):
        for number in range(first, last + 1):
            if is_too_wide(lines[number]):
                yield number, f"{len(lines[number])} columns"
    for number, line in enumerate(lines):
        match = comment(path, line)
        if path != Path(__file__).resolve() and match and (word := WORDS.search(match["text"])):
            yield number, f'"{word[0]}"'


def main() -> None:
    listed = subprocess.run(["git", "ls-files", "-z", *FILES], cwd=ROOT, check=True, capture_output=True, text=True)
    found = False
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        lines = path.read_text(encoding="utf-8").split("\n")
        if "--write" in sys.argv and (new := rewrapped(path, lines)) != lines:
            path.write_text("\n".join(new), encoding="utf-8")
            lines = new
        for number, fault in sorted(faults(path, lines)):
            found = True
            print(f"{name}:{number + 1}: {fault}")
    if found:
        sys.exit("Comments are too wide or use a word to avoid. `python3 tests/comments.py --write` rewraps them.")


if __name__ == "__main__":
    main()

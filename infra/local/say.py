"""How the local cloud speaks: short lines on standard error, and troubles as one clear sentence."""

import sys


class Trouble(Exception):
    """Something a person has to mend; the text says what."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"cloud: {text}", file=sys.stderr, flush=True)

"""Progress on standard error, and errors that a person can act on."""

import os
import sys
import time

# cloud.py replaces its process once. The first process passes its start on to the second.
STARTED_VARIABLE = "LOCAL_CLOUD_STARTED"
_PASSED_ON = os.environ.pop(STARTED_VARIABLE, None)
IS_PREPARED = _PASSED_ON is not None
STARTED = float(_PASSED_ON or time.time())


class CloudError(Exception):
    """Something that the person who started the local cloud has to fix. The text says what."""


def progress(text: str) -> None:
    """Prints one line with the time since the start."""
    minutes, seconds = divmod(int(time.time() - STARTED), 60)
    print(f"[{minutes}:{seconds:02}] {text}", file=sys.stderr, flush=True)

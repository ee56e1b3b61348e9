#!/usr/bin/env python3
"""The local cloud: builds the functions, starts an AWS emulator, deploys template.yaml, seeds demo data.

    cloud.py run             stays in the foreground until Ctrl-C
    cloud.py exec -- CMD…    the same on a free port around one command; its exit code is the answer

Settings (environment):
    PORT                        port of the API and the emulator, 4566 (run only)
    STATE_DIR                   where stack.json and logs go, .local (exec: .local/test)
    CARRIER_URL                 a carrier elsewhere; without it the carrier simulator is started
    CARRIER_MEDIA_HOSTS         hosts (with port) that its addresses of files lead to, besides its own
    TWILIO_ACCOUNT_SID          account at the carrier, made up if not given
    TWILIO_AUTH_TOKEN           its token, made up if not given
    LOCK_LEASE_SECONDS          60
    LOCK_IDLE_PROMPT_SECONDS    180
    LOCK_IDLE_RELEASE_SECONDS   60
    LOCKS_PER_USER              5
    RECONCILE_GRACE_SECONDS     300
    REGISTRATION_POLL_SECONDS   30
    KEYWORD_REPLIES             product (the product confirms STOP, START, HELP), or carrier

This file needs nothing but Python: it checks what the machine has, makes a private virtualenv and goes on in it.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import prerequisites  # noqa: E402
import processes  # noqa: E402
from say import Trouble, say  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="run|exec")
    verbs.add_parser("run", help="run until Ctrl-C")
    wrap = verbs.add_parser("exec", help="run one command against a local cloud of its own")
    wrap.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD…")
    arguments = parser.parse_args()
    command = None
    if arguments.verb == "exec":
        command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
        if not command or not shutil.which(command[0]):
            parser.error(f"no command {command[0]}" if command else "exec needs a command: cloud.py exec -- CMD…")

    processes.stop_on_signals()
    try:
        prerequisites.check()
        python = prerequisites.virtualenv()
        if Path(sys.prefix).resolve() != python.parent.parent.resolve():
            os.execv(python, [str(python), *sys.argv])
        import stack  # needs the virtualenv

        return stack.run(command)
    except Trouble as trouble:
        say(f"cannot go on: {trouble}")
        return 1
    except processes.Stopped as stopped:
        say("stopped")
        return 0 if command is None else 128 + stopped.number


if __name__ == "__main__":
    sys.exit(main())

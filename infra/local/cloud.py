#!/usr/bin/env python3
"""The local cloud: builds the functions, starts an AWS emulator and a carrier simulator, deploys template.yaml
and adds demo data. It needs Python, Rust and a C compiler, but neither Docker nor an AWS account.

    cloud.py run             runs until Ctrl-C
    cloud.py exec -- CMD…    runs one command against its own local cloud; returns the command's exit code

Settings (environment variables, with their defaults):
    PORT                        port of the API and the emulator (4566; run only)
    CARRIER_PORT                port of the carrier simulator and its phone page (PORT + 1 if free; run only)
    PROGRAMS                    folder of programs that are built already, such as target/release (none: they are built)
    SEED                        demo, or none for a stack without data (demo)
    STATE_DIR                   folder of stack.json and the logs (.local; exec: .local/test)
    SEGMENTS_PER_SECOND         what the carrier simulator allows the numbers of a campaign (40)
    CARRIER_URL                 another carrier's URL (none: the carrier simulator is started)
    CARRIER_MEDIA_HOSTS         hosts, with ports, of that carrier's media URLs, besides its own host
    TWILIO_ACCOUNT_SID          account at the carrier (random)
    TWILIO_AUTH_TOKEN           token of the account (random)
    CORS_ORIGINS                origins of browser front ends, separated by commas (any origin on localhost and
                                127.0.0.1)
    JWT_ISSUER                  another identity provider than the emulator's user pool; needs SEED=none
    JWT_AUDIENCE                audience of its tokens
    JWT_CLIENT_ID               its client for the console
    LOCK_LEASE_SECONDS          lease of a conversation lock (60)
    LOCK_IDLE_PROMPT_SECONDS    time without activity before the user is asked (180)
    LOCK_IDLE_RELEASE_SECONDS   time without an answer before the lock is released (60)
    LOCKS_PER_USER              conversations that one user can lock at a time (5)
    RECONCILE_GRACE_SECONDS     age of a message before the sweep looks it up at the carrier (30)
    REGISTRATION_POLL_SECONDS   interval between checks of pending registrations (30)
    KEYWORD_REPLIES             who confirms STOP, START and HELP: product or carrier (product)
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import build  # noqa: E402
import console  # noqa: E402
import prerequisites  # noqa: E402
import processes  # noqa: E402
from console import CloudError, progress  # noqa: E402
from settings import Settings  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="verb", required=True, metavar="run|exec")
    commands.add_parser("run", help="run until Ctrl-C")
    execute = commands.add_parser("exec", help="run one command against a local cloud of its own")
    execute.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD…")
    arguments = parser.parse_args()
    command = None
    if arguments.verb == "exec":
        command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
        if not command or not shutil.which(command[0]):
            parser.error(f"command not found: {command[0]}" if command else "exec needs a command: cloud.py exec -- CMD…")

    processes.stop_on_signals()
    try:
        settings = Settings.read(for_tests=command is not None)
        if not console.IS_PREPARED:
            prerequisites.check()
            settings.check_port()
            _prepare()
            os.environ[console.STARTED_VARIABLE] = str(console.STARTED)
            os.execv(prerequisites.PYTHON, [str(prerequisites.PYTHON), *sys.argv])
        import stack  # needs the virtualenv

        return stack.run(command, settings)
    except CloudError as error:
        progress(f"error: {error}")
        return 1
    except processes.Stopped as stopped:
        progress("stopped")
        return 0 if command is None else 128 + stopped.number


def _prepare() -> None:
    """Builds the programs and creates the virtualenv at the same time: the latter mostly waits for downloads."""
    if build.built_before():
        return prerequisites.create_virtualenv()
    progress("building the functions (the first build takes about 10 minutes on two cores, later ones seconds)")
    building = build.Build()
    try:
        prerequisites.create_virtualenv()
        building.wait()
    except BaseException:
        building.child.stop()
        raise


if __name__ == "__main__":
    sys.exit(main())

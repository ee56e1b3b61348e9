#!/usr/bin/env python3
"""An upgrade and a rollback of a running stack: an earlier version is deployed to a local cloud, this one takes over
under load, and the earlier one takes over again.

    check.py            from the version of earlier.py
    FROM=v1.2 check.py  from another tag or commit

Settings (environment variables):
    PROGRAMS            folder of this version's programs, if they are built already
    FROM_PROGRAMS       folder of the earlier version's programs, if they are built already
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import earlier
from deploy import EARLIER, ROOT

sys.path.insert(0, str(ROOT / "infra" / "local"))

import build  # noqa: E402
import prerequisites  # noqa: E402

TARGET = ROOT / ".local" / "upgrade" / "target"
# The emulator takes the place of AWS, which does not change with the product.
OF_THE_EMULATOR = ["emulator.py", "emulator_process.py", "sorted_partitions.py", "requirements.txt"]


def git(*arguments: str, folder: Path = ROOT) -> str:
    result = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"git {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout.strip()


def earlier_commit() -> str:
    """The commit to upgrade from."""
    reference = os.environ.get("FROM") or earlier.version(ROOT)
    commit = git("rev-parse", "--verify", f"{reference}^{{commit}}")
    print(f"from {reference} ({commit[:10]}) to {git('describe', '--always', '--dirty')}", flush=True)
    return commit


def check_out(commit: str) -> None:
    """Puts the earlier version into a worktree, with this version's emulator."""
    git("worktree", "prune")
    if EARLIER.exists():
        git("checkout", "--force", "--detach", commit, folder=EARLIER)
    else:
        git("worktree", "add", "--detach", str(EARLIER), commit)
    for name in OF_THE_EMULATOR:
        shutil.copyfile(ROOT / "infra" / "local" / name, EARLIER / "infra" / "local" / name)
    (EARLIER / ".local").mkdir(exist_ok=True)
    virtualenv = EARLIER / ".local" / "venv"
    if not virtualenv.is_symlink():
        virtualenv.symlink_to(prerequisites.VIRTUALENV)


def reuse_dependencies(programs: Path) -> None:
    """Copies built dependencies, which saves ten minutes. A shared folder would mix both versions of the packages."""
    if TARGET.exists() or not programs.exists():
        return
    draft = TARGET.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    for folder in ("deps", "build", ".fingerprint"):
        # Of deps, without the programs: they have no suffix, and most of the bytes.
        ignored = (lambda _, names: [name for name in names if "." not in name]) if folder == "deps" else None
        shutil.copytree(programs / folder, draft / "debug" / folder, ignore=ignored)
    for name in git("ls-files", folder=EARLIER).splitlines():
        os.utime(EARLIER / name)  # cargo takes the packages of this version for its own unless their files are newer
    git("status", folder=EARLIER)  # or the next checkout writes all files again
    draft.rename(TARGET)


def main() -> int:
    check_out(earlier_commit())
    prerequisites.check()
    prerequisites.create_virtualenv()
    if not build.built_before():
        build.Build().wait()
    own_target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    environment = {
        **os.environ,
        "STATE_DIR": str(ROOT / ".local" / "upgrade" / "state"),
        "LATER_PROGRAMS": str(build.programs_folder()),
    }
    if folder := os.environ.get("FROM_PROGRAMS"):
        environment |= {"EARLIER_PROGRAMS": str(ROOT / folder), "PROGRAMS": str(ROOT / folder)}
    else:
        reuse_dependencies(own_target / "debug")
        environment |= {"EARLIER_PROGRAMS": str(TARGET / "debug"), "CARGO_TARGET_DIR": str(TARGET), "PROGRAMS": ""}
    test = ["env", f"CARGO_TARGET_DIR={own_target}", "cargo", "test", "--workspace", "--test", "upgrade", "--", "--nocapture"]
    cloud = [sys.executable, str(EARLIER / "infra" / "local" / "cloud.py"), "exec", "--", *test]
    return subprocess.run(cloud, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())

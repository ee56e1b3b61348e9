"""Builds the functions and packs each as a Lambda deployment package."""

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from console import CloudError
from prerequisites import ROOT
from processes import Child

TOOLS = ["carrier-simulator", "inboxctl", "seed-demo"]


@dataclass(frozen=True)
class Package:
    """A deployment package."""

    path: Path
    key: str  # contains a hash of the content, so that changed code changes the template


class Build:
    """A running cargo build of the functions and the tools of the local cloud."""

    def __init__(self):
        binaries = [*TOOLS, *_function_binaries(_workspace())]
        selected = [flag for name in binaries for flag in ("--bin", name)]
        # The workspace has no examples. With --examples, cargo chooses the same features for dependencies as
        # `cargo test --workspace`, so the tests and the functions share one build of the AWS SDK.
        command = ["cargo", "build", "--workspace", "--examples", *selected]
        self.child = Child("cargo", command, dict(os.environ), cwd=ROOT)

    def wait(self) -> None:
        """Returns when the build is finished."""
        if self.child.process.wait() != 0:
            raise CloudError("the build failed; see cargo's messages above")


def built_before() -> Path | None:
    """The folder of programs that are not built here: the optimized ones of `make bench`."""
    folder = os.environ.get("PROGRAMS")
    return ROOT / folder if folder else None


def programs_folder() -> Path:
    """The folder with the built programs."""
    if folder := built_before():
        return folder
    return Path(_workspace()["target_directory"]) / "debug"


def _workspace() -> dict:
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    code, text = Child.finish("cargo", command, dict(os.environ), cwd=ROOT)
    if code != 0:
        raise CloudError("cargo cannot read the workspace; see its messages above")
    return json.loads(text)


def _function_binaries(workspace: dict) -> list[str]:
    """The binaries of all packages under functions/."""
    folder = ROOT / "functions"
    return [
        target["name"]
        for package in workspace["packages"]
        if folder in Path(package["manifest_path"]).parents
        for target in package["targets"]
        if "bin" in target["kind"]
    ]


def pack(programs: Path, binaries: list[str], folder: Path) -> dict[str, Package]:
    """Writes one zip file for each function, with its stripped program as `bootstrap`. Skips unchanged programs."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: _pack_one(programs / name, folder / f"{name}.zip") for name in binaries}


def _pack_one(program: Path, target: Path) -> Package:
    if not program.exists():
        raise CloudError(f"the build made no program {program.name}; does its package have a binary of that name?")
    built = program.stat()
    if not target.exists() or target.stat().st_mtime_ns != built.st_mtime_ns:
        stripped = target.with_suffix(".bootstrap")
        shutil.copyfile(program, stripped)
        if shutil.which("strip"):  # most of a debug build is symbols
            subprocess.run(["strip", str(stripped)], capture_output=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
            entry = zipfile.ZipInfo("bootstrap")
            entry.external_attr = 0o755 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, stripped.read_bytes(), compresslevel=1)
        stripped.unlink()
        os.utime(target, ns=(built.st_atime_ns, built.st_mtime_ns))
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    return Package(target, f"{program.name}/{digest}.zip")

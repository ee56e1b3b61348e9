"""Builds the bootstraps and packs them as Lambda wants them."""

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from prerequisites import ROOT
from processes import Child
from say import Trouble, say


@dataclass(frozen=True)
class Package:
    """A function's code, ready for upload."""

    path: Path
    key: str  # carries the content's hash, so that changed code is a changed template


TOOLS = ["carrier-simulator", "seed-demo"]


def build(binaries: list[str]) -> Path:
    """Builds the functions, the carrier simulator and the demo data; gives the folder with the programs."""
    say("building the functions (the first time takes minutes)")
    # There are no examples; asking for them makes cargo choose the dependencies' features as `cargo test --workspace`
    # does, so that the tests and the functions share one build of the AWS SDK.
    wanted = [flag for name in [*binaries, *TOOLS] for flag in ("--bin", name)]
    command = ["cargo", "build", "--workspace", "--examples", *wanted]
    code, _ = Child.finish("cargo", command, dict(os.environ), cwd=ROOT)
    if code != 0:
        raise Trouble("the build failed (cargo's own words stand above)")
    about = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    _, text = Child.finish("cargo", about, dict(os.environ), cwd=ROOT)
    return Path(json.loads(text)["target_directory"]) / "debug"


def pack(programs: Path, binaries: list[str], folder: Path) -> dict[str, Package]:
    """One zip per function, holding its stripped program as `bootstrap`. Unchanged programs keep their zip."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: _pack_one(programs / name, folder / f"{name}.zip") for name in binaries}


def _pack_one(program: Path, target: Path) -> Package:
    if not program.exists():
        raise Trouble(f"the build made no program {program.name}; does its package build a binary of that name?")
    built = program.stat()
    if not target.exists() or target.stat().st_mtime_ns != built.st_mtime_ns:
        bare = target.with_suffix(".bootstrap")
        shutil.copyfile(program, bare)
        if shutil.which("strip"):  # a debug build is mostly symbols
            subprocess.run(["strip", str(bare)], capture_output=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
            entry = zipfile.ZipInfo("bootstrap")
            entry.external_attr = 0o755 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, bare.read_bytes(), compresslevel=1)
        bare.unlink()
        os.utime(target, ns=(built.st_atime_ns, built.st_mtime_ns))
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    return Package(target, f"{program.name}/{digest}.zip")

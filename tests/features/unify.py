#!/usr/bin/env python3
"""Keeps the features of the dependencies equal for one package and for the whole workspace.

Cargo chooses the features of a dependency for the packages that a command selects. `cargo test -p shared-aws` would
therefore build the AWS SDK again, with features that differ from those of `cargo test --workspace`. Every package has
a dev-dependency on the crate `features`, which enables the features that the workspace uses. Packages without the AWS
SDK leave out its feature `aws`.

    unify.py          checks that each package gets the features of the workspace
    unify.py --write  writes tests/features/Cargo.toml
"""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = Path(__file__).resolve().parent / "Cargo.toml"
MARK = "# Written by unify.py from here on.\n"

# Has few dependencies: building them again takes less time than building those that it does not need.
EXEMPT = {"shared-domain"}


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def resolved(*selection: str) -> dict[str, set[str]]:
    """Features of each crate, by name and version. Host and target builds of a crate may have different ones."""
    kinds = ("-e", "normal,build,dev", "--prefix", "none", "-f", "{p}|{f}")
    crates = defaultdict(set)
    for line in cargo("tree", *kinds, *selection).splitlines():
        crate, _, features = line.partition("|")
        if "(/" not in crate:  # not a package of the workspace
            crates[crate.removesuffix(" (proc-macro)")].add(features.removesuffix(" (*)"))
    return crates


def differences() -> dict[str, list[str]]:
    """Crates that a package builds with other features than the workspace, with these packages."""
    metadata = json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))
    packages = {package["name"] for package in metadata["packages"]} - EXEMPT
    workspace, different = resolved("--workspace"), defaultdict(list)
    for package in sorted(packages):
        for crate, features in resolved("-p", package).items():
            if not features <= workspace[crate]:
                different[crate].append(package)
    return different


def write() -> None:
    """Adds crates until there are no differences."""
    head = MANIFEST.read_text().split(MARK)[0]
    MANIFEST.write_text(head + MARK + "[features]\naws = []\n")
    chosen: set[str] = set()
    while new := set(differences()) - chosen:
        chosen |= new
        MANIFEST.write_text(head + MARK + sections(chosen, resolved("--workspace")))


def sections(chosen: set[str], workspace: dict[str, set[str]]) -> str:
    aws, lines = [], []
    for crate in sorted(chosen):
        name, version = crate.split()
        features = sorted({feature for features in workspace[crate] for feature in features.split(",") if feature})
        key, package, optional = name, "", ""
        if sum(other.split()[0] == name for other in chosen) > 1:
            key, package = f"{name}_{version[1:].replace('.', '_')}", f'package = "{name}", '
        if name.startswith("aws") or name == "serde_dynamo":
            aws.append(f'"dep:{key}"')
            optional = "optional = true, "
        lines.append(
            f'{key} = {{ {package}version = "{version[1:]}", {optional}default-features = false, '
            f"features = {json.dumps(features)} }}"
        )
    return f"[features]\naws = [{', '.join(aws)}]\n\n[dependencies]\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        write()
    if different := differences():
        for crate, packages in sorted(different.items()):
            print(f"{crate} has other features for {', '.join(packages)} than for the workspace")
        sys.exit("run tests/features/unify.py --write")

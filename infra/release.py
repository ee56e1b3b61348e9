#!/usr/bin/env python3
"""Builds the artifacts of a release into dist/: a deployment package of each function, a template that uses them, the
operator's tool for this machine, the list of what these programs are made of (CycloneDX), and the checksums of all files.

`sam deploy --template-file dist/template.yaml` deploys them without Rust. `make release` installs the tools and runs it.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
TOOL = "inboxctl"
FUNCTION = re.compile(r"    Metadata: \{ BuildMethod: rust-cargolambda, BuildProperties: \{ Binary: ([\w-]+) \} \}\n    Properties:\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", choices=["arm64", "x86-64"], default="arm64", help="of the functions")
    parser.add_argument(
        "--only", nargs="*", metavar="FUNCTION", help="build only these, to try the command; the template still names all"
    )
    arguments = parser.parse_args()
    template = (ROOT / "template.yaml").read_text()
    found = FUNCTION.findall(template)
    if len(found) != template.count("    Type: AWS::Serverless::Function\n"):
        sys.exit("template.yaml has functions whose lines Metadata and Properties differ from the others.")
    functions = [name for name in found if not arguments.only or name in arguments.only]
    if not functions:
        sys.exit(f"The template has no function of these names: {' '.join(arguments.only)}")
    shutil.rmtree(DIST, ignore_errors=True)
    (DIST / "functions").mkdir(parents=True)
    if arguments.architecture == "arm64":
        subprocess.run(["rustup", "target", "add", "aarch64-unknown-linux-gnu"], cwd=ROOT, check=True)
    print(f"Building {len(functions)} functions for {arguments.architecture}. Each takes about a minute.", flush=True)
    build(functions, arguments.architecture)
    build_tool()
    (DIST / "template.yaml").write_text(packaged(template, arguments.architecture))
    (DIST / "sbom.cdx.json").write_text(dependencies([*functions, TOOL]))
    shutil.copy(ROOT / "LICENSE", DIST)
    write_checksums()
    print(f"dist/ has version {version()} of commit {commit()}: {len(functions)} functions and {TOOL}.")
    return 0


def build(functions: list[str], architecture: str) -> None:
    built = ROOT / "target" / "lambda"
    tools = Path(sys.executable).parent
    command = [tools / "cargo-lambda", "lambda", "build", "--release", f"--{architecture}", "--lambda-dir", built]
    command += [flag for name in functions for flag in ("--package", name, "--bin", name)]
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        sys.exit("The functions were not built; see cargo's messages above.")
    for name in functions:
        with zipfile.ZipFile(DIST / "functions" / f"{name}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
            entry = zipfile.ZipInfo("bootstrap")  # its time is constant, so the same program is the same package
            entry.external_attr = 0o755 << 16
            package.writestr(entry, (built / name / "bootstrap").read_bytes(), zipfile.ZIP_DEFLATED)


def build_tool() -> None:
    """Builds the operator's tool for the machine that this runs on."""
    command = ["cargo", "build", "--release", "--locked", "--workspace", "--bin", TOOL, "--target-dir", ROOT / "target"]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        sys.exit(f"{TOOL} was not built; see cargo's messages above.")
    version = subprocess.run(["rustc", "-vV"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    host = re.search(r"^host: (.+)$", version, re.MULTILINE).group(1)
    shutil.copy(ROOT / "target" / "release" / TOOL, DIST / f"{TOOL}-{host}")


def packaged(template: str, architecture: str) -> str:
    """Returns the template with the packages of this folder in place of the code."""
    template = FUNCTION.sub(r"    Properties:\n      CodeUri: functions/\1.zip\n", template)
    template = template.replace("    CodeUri: .\n", "", 1)
    default = {"arm64": "arm64", "x86-64": "x86_64"}[architecture]
    return re.sub(r"(  Architecture:\n(?:    .*\n)*?    Default: )\w+", rf"\g<1>{default}", template, count=1)


def dependencies(programs: list[str]) -> str:
    """Returns what the programs are made of. The same commit gives the same list: cargo-sbom takes a name from the folder,
    the time, and a random number, and lists the tests as well."""
    command = [ROOT / ".local/tools/bin/cargo-sbom", "sbom", "--output-format", "cyclone_dx_json_1_6"]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if listed.returncode != 0:
        sys.exit("The dependencies were not listed; see the messages of cargo-sbom above.")
    document = json.loads(listed.stdout)
    packages = document["metadata"]["component"]["components"]
    own = {part["name"]: part["bom-ref"] for part in packages}
    needed, graph = set(), {part["ref"]: part["dependsOn"] for part in document["dependencies"]}
    waiting = [own[name] for name in programs]
    while waiting:
        if (reference := waiting.pop()) not in needed:
            needed.add(reference)
            waiting += graph.get(reference, [])
    component = {"type": "application", "bom-ref": "shared-inbox", "name": "shared-inbox", "version": version()}
    document["metadata"] = {"component": component, "timestamp": git("show", "-s", "--format=%cI")}
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, git('rev-parse', 'HEAD'))}"
    # A package on which no other one depends is only in the first list.
    parts = {part["bom-ref"]: part for part in [*packages, *document["components"]] if part["bom-ref"] in needed}
    if missing := needed - parts.keys():
        sys.exit(f"cargo-sbom does not describe {', '.join(sorted(missing))}.")
    document["components"] = [parts[reference] for reference in sorted(parts)]
    lists = [{"ref": ref, "dependsOn": sorted(graph[ref])} for ref in sorted(needed & graph.keys())]
    document["dependencies"] = [{"ref": "shared-inbox", "dependsOn": sorted(own[name] for name in programs)}, *lists]
    return json.dumps(document, indent=1) + "\n"


def write_checksums() -> None:
    files = sorted(file for file in DIST.rglob("*") if file.is_file())
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(DIST)}\n" for file in files]
    (DIST / "SHA256SUMS").write_text("".join(lines))


def version() -> str:
    manifest = (ROOT / "Cargo.toml").read_text()
    return re.search(r'^version = "(.+)"$', manifest, re.MULTILINE).group(1)


def commit() -> str:
    return git("describe", "--always", "--dirty") or "unknown"


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())

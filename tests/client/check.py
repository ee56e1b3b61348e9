#!/usr/bin/env python3
"""Checks the TypeScript client in shared/client-ts.

Runs on the Node.js of .local/tools, so it is called by `make client-test` and `make client-types`.

    check.py write       writes src/schema.ts, the types of the OpenAPI document
    check.py unit        types, unit tests, code in the documentation, and content of the package
    check.py journeys    journeys against the local cloud; needs STACK_FILE
    check.py build       builds the client and its tests, for tests/deploy
"""

import json
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from nodejs import NPM, Packages  # noqa: E402

ROOT = HERE.parents[1]
CLIENT = ROOT / "shared/client-ts"
BUILD = CLIENT / "build"
DOCUMENT = ROOT / "functions/openapi/openapi.json"
SCHEMA = CLIENT / "src/schema.ts"
PACKAGES = Packages(CLIENT)
# The code of a page is one program. These are the names that a reader has to fill in.
PAGES = {"readme": ROOT / "README.md", "package": CLIENT / "README.md", "front-ends": ROOT / "docs/front-ends.md"}
NAMES = "declare const apiUrl: string, idToken: string;\n"
# The files of the package besides the modules.
PACKED = {"LICENSE", "README.md", "package.json"}


def write_schema(file: Path) -> None:
    PACKAGES.run("openapi-typescript", DOCUMENT, "--output", file)


def check_schema() -> None:
    current = BUILD / "schema.ts"
    write_schema(current)
    if current.read_text() != SCHEMA.read_text():
        sys.exit("shared/client-ts/src/schema.ts is older than the OpenAPI document: run `make client-types`")
    current.unlink()


def write_documented_programs() -> None:
    folder = BUILD / "pages"
    folder.mkdir(parents=True)
    for name, page in PAGES.items():
        blocks = re.findall(r"^ *```ts\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
        (folder / f"{name}.ts").write_text(NAMES + "".join(blocks))


def check_package() -> None:
    """Checks that the package contains the modules with their types, and nothing else."""
    if (CLIENT / "LICENSE").read_bytes() != (ROOT / "LICENSE").read_bytes():
        sys.exit("shared/client-ts/LICENSE differs from LICENSE")
    (packed,) = json.loads(PACKAGES.output("node", NPM, "pack", "--dry-run", "--json", "--ignore-scripts"))
    modules = [file.stem for file in (CLIENT / "src").glob("*.ts")]
    expected = PACKED | {f"dist/{module}{suffix}" for module in modules for suffix in (".js", ".d.ts")}
    actual = {file["path"] for file in packed["files"]}
    if actual != expected:
        sys.exit(f"the package lacks {sorted(expected - actual)}, and should not have {sorted(actual - expected)}")
    print(f"{packed['filename']}: {packed['entryCount']} files, {packed['size']:,} bytes")


def build() -> None:
    for folder in (BUILD, CLIENT / "dist"):
        shutil.rmtree(folder, ignore_errors=True)
    write_documented_programs()
    PACKAGES.run("tsc", "--project", "tsconfig.build.json")
    PACKAGES.run("tsc", "--project", "tsconfig.test.json")
    PACKAGES.run("tsc", "--project", "tsconfig.pages.json")


def node_test(folder: Path) -> None:
    files = sorted(folder.glob("*.test.js"))
    PACKAGES.run("node", "--test", "--test-reporter=spec", *(file.relative_to(CLIENT) for file in files))


def main(command: str) -> None:
    PACKAGES.install()
    if command == "write":
        write_schema(SCHEMA)
    elif command == "unit":
        build()
        check_schema()
        node_test(BUILD / "test")
        check_package()
    elif command == "build":
        build()
    elif command == "journeys":
        build()
        node_test(BUILD / "test/journeys")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["help"]))

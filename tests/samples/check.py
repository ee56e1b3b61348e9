"""Runs the samples of docs/webhooks.md that verify a signature, in TypeScript, Python and Go.

Each sample is taken from the page as it is, and must answer a list of cases. The sample in Rust calls the public
library alone, which the tests of webhooks use: tests/handlers/webhooks.rs.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/webhooks.md"
SECTION = "Verify the signature"
GO_CACHE = ROOT / ".local/go"
TIMEOUT_SECONDS = 300  # the first build compiles Go's standard library

sys.path.append(str(ROOT / "tests"))
from nodejs import NODE  # noqa: E402

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

# Each reads the cases from standard input and prints the answers, both as JSON.
TYPESCRIPT = """
import { readFileSync } from "node:fs";
import { verify } from "./sample.ts";
const cases = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map((one) => verify(one.secret, one.headers, one.body))));
"""
PYTHON = """
import json, sys
from sample import verify
cases = json.load(sys.stdin)
print(json.dumps([verify(one["secret"], one["headers"], one["body"].encode()) for one in cases]))
"""
GO = """
package main

import (
	"encoding/json"
	"net/http"
	"os"

	"samples/webhook"
)

func main() {
	var cases []struct {
		Secret, Body string
		Headers      map[string]string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	answers := []bool{}
	for _, one := range cases {
		headers := http.Header{}
		for name, value := range one.Headers {
			headers.Set(name, value)
		}
		answers = append(answers, webhook.Verify(one.Secret, headers, []byte(one.Body)))
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}
"""


def sign(secret: str, event: str, timestamp: str, body: str) -> str:
    """The signature of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{event}.{timestamp}.{body}".encode(), hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def cases(now: int) -> list[tuple[str, bool, dict]]:
    """What each sample must accept or refuse."""
    event, body = "evt_01KB5Q8Z7M4T9XRA", '{"type":"message.created","data":{"text":"Zoë 👋"}}'

    def case(timestamp: str = str(now), signature: str | None = None, **changed: str) -> dict:
        signed = sign(SECRET, event, timestamp, body) if signature is None else signature
        headers = {"id": changed.get("event", event), "timestamp": timestamp, "signature": signed}
        return {
            "secret": changed.get("secret", SECRET),
            "headers": {f"webhook-{name}": value for name, value in headers.items()},
            "body": changed.get("body", body),
        }

    good, other = (sign(secret, event, str(now), body) for secret in (SECRET, OTHER_SECRET))
    return [
        ("a signed request", True, case()),
        ("the second of two signatures", True, case(signature=f"{other} {good}")),
        ("the first of two signatures", True, case(signature=f"{good} {other}")),
        ("a signature of another version beside it", True, case(signature=f"v2,AAAA {good}")),
        ("four minutes old", True, case(str(now - 240))),
        ("another secret", False, case(secret=OTHER_SECRET)),
        ("another body", False, case(body=body + " ")),
        ("another id", False, case(event="evt_01KB5Q8Z7M4T9XRB")),
        ("six minutes old", False, case(str(now - 360))),
        ("from a time six minutes ahead", False, case(str(now + 360))),
        ("another time than the signed one", False, case(str(now - 1), signature=good)),
        ("a time that is no number", False, case("yesterday")),
        ("an empty time", False, case("")),
        ("an empty signature", False, case(signature="")),
        ("a signature without its version", False, case(signature=good.removeprefix("v1,"))),
        ("the signature under another version", False, case(signature=good.replace("v1,", "v2,"))),
        ("a signature that is cut off", False, case(signature=good[:-4])),
        ("a signature that is not ASCII", False, case(signature="v1,é")),
    ]


def samples() -> dict[str, str]:
    """The samples of the page by language."""
    section = PAGE.read_text().split(f"## {SECTION}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))


def run(command: list[str | Path], folder: Path, given: str = "", **environment: str) -> str:
    """What a program prints. Exits if it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        input=given,
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    if done.returncode != 0:
        sys.exit(f"{PAGE.relative_to(ROOT)}: {command[0]} failed, see above")
    return done.stdout


def program(language: str, sample: str, folder: Path) -> list[str | Path]:
    """Writes the program around a sample, and returns the command that runs it."""
    if language == "typescript":
        (folder / "sample.ts").write_text(sample)
        (folder / "main.mts").write_text(TYPESCRIPT)
        (folder / "package.json").write_text('{"type":"module"}')
        return [NODE / "bin/node", "--disable-warning=ExperimentalWarning", "main.mts"]
    if language == "python":
        (folder / "sample.py").write_text(sample)
        (folder / "main.py").write_text(PYTHON)
        return [sys.executable, "main.py"]
    (folder / "webhook").mkdir()
    (folder / "webhook/sample.go").write_text(sample)
    (folder / "main.go").write_text(GO)
    (folder / "go.mod").write_text("module samples\n\ngo 1.21\n")
    go = Path(sys.executable).with_name("go")
    alone = {"GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": "", "GOTELEMETRY": "off", "CGO_ENABLED": "0"}
    caches = {"GOCACHE": str(GO_CACHE / "cache"), "GOPATH": str(GO_CACHE)}
    run([go, "build", "-o", "main", "."], folder, **alone, **caches)
    return [folder / "main"]


def main() -> None:
    found = samples()
    if sorted(found) != ["go", "python", "rust", "typescript"]:
        sys.exit(f"{PAGE.relative_to(ROOT)}: expected samples in four languages, found {', '.join(found)}")
    failures = []
    for language in ("typescript", "python", "go"):
        with tempfile.TemporaryDirectory() as folder:
            command = program(language, found[language], Path(folder))
            # The samples compare times with the clock, and a build can take minutes.
            expected = cases(int(time.time()))
            given = json.loads(run(command, Path(folder), json.dumps([case for _, _, case in expected])))
        assert len(given) == len(expected)
        wrong = [name for (name, accepted, _), answer in zip(expected, given) if accepted != answer]
        failures += [f"{language}: {name}" for name in wrong]
        print(f"{language}: {len(expected) - len(wrong)} of {len(expected)} cases", flush=True)
    if failures:
        sys.exit("\n".join(["Samples that give the wrong answer:", *failures]))


if __name__ == "__main__":
    main()

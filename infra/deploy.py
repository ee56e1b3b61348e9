#!/usr/bin/env python3
"""Deploys the stack of a stage with the settings in settings.STAGE. `make deploy` builds the functions and runs it.

The address of a stack is that of its DomainName. Without one, and without PublicBaseUrl, it is that of its API, which AWS
chooses during the first deployment. The functions get it in an update right after that, which takes about a minute. The same
update follows when CloudFront is switched on or off.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAM = Path(sys.executable).parent / "sam"
UNKNOWN_ADDRESS = "https://address.invalid"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", required=True, choices=["dev", "prod"])
    parser.add_argument("--region", required=True)
    arguments = parser.parse_args()
    stack = f"shared-inbox-{arguments.stage}"
    settings = {"CarrierSecretName": f"{stack}/carrier", **read_settings(ROOT / f"settings.{arguments.stage}")}
    if "DomainName" in settings:
        settings.setdefault("PublicBaseUrl", f"https://{settings['DomainName']}")
    if "PublicBaseUrl" in settings:
        return sam_deploy(arguments.stage, arguments.region, settings)
    address = output(stack, arguments.region, "ApiUrl") or UNKNOWN_ADDRESS
    code = sam_deploy(arguments.stage, arguments.region, {**settings, "PublicBaseUrl": address})
    current = output(stack, arguments.region, "ApiUrl") if code == 0 else None
    if current in (None, address):
        return code
    print(f"The address of the API is {current}. The functions get it in an update.", flush=True)
    return sam_deploy(arguments.stage, arguments.region, {**settings, "PublicBaseUrl": current})


def read_settings(file: Path) -> dict[str, str]:
    """Returns the lines `Name=value` of a file. Lines that start with # are comments."""
    if not file.exists():
        sys.exit(f"{file.name} does not exist. Copy infra/settings.example to {file.name}, and edit it.")
    parameters = re.search(r"^Parameters:\n(.*?)^\S", (ROOT / "template.yaml").read_text(), re.MULTILINE | re.DOTALL)
    known = set(re.findall(r"^  (\w+):$", parameters.group(1), re.MULTILINE))
    settings = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        name, separator, value = (part.strip() for part in line.partition("="))
        if not line.strip() or line.startswith("#"):
            continue
        if not separator or name not in known:
            sys.exit(f"{file.name}, line {number}: there is no setting {name!r}. infra/README.md lists all settings.")
        if value:
            settings[name] = value
    return settings


def output(stack: str, region: str, name: str) -> str | None:
    """Returns an output of the stack. None if there is no such stack yet."""
    import boto3  # comes with the SAM CLI
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        described = boto3.client("cloudformation", region_name=region).describe_stacks(StackName=stack)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        sys.exit(f"CloudFormation refuses to describe {stack}: {error.response['Error']['Message']}")
    except BotoCoreError as error:
        sys.exit(f"CloudFormation in {region} cannot be asked about {stack}: {error}")
    outputs = described["Stacks"][0].get("Outputs", [])
    return next((one["OutputValue"] for one in outputs if one["OutputKey"] == name), None)


def sam_deploy(stage: str, region: str, settings: dict[str, str]) -> int:
    overrides = [f'{name}="{value}"' for name, value in settings.items()]
    command = [SAM, "deploy", "--config-env", stage, "--region", region, "--no-confirm-changeset"]
    command += ["--no-fail-on-empty-changeset", "--parameter-overrides", *overrides]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())

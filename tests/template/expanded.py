"""Checks the roles of the functions in the expanded template, which CloudFormation deploys.

SAM adds managed policies with rights to all log groups and all queues to every role that it creates. So each
function names a role of its own, and this check finds every role, whether the template declares it or SAM adds
it.

Needs the packages aws-sam-translator and PyYAML, which cfn-lint installs.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # the translator asks for the region's partition
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "local"))

from samtranslator.translator.transform import transform  # noqa: E402

import template as templates  # noqa: E402

MAX_RESOURCES = 500  # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html


class NoManagedPolicies:
    """The managed policies by name, for the translator. The template names none."""

    def load(self) -> dict:
        return {}


def expand() -> dict:
    """Returns the resources of template.yaml after its transforms."""
    source = templates.load()
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    return transform(source, {}, NoManagedPolicies())["Resources"]


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def faults_of_role(name: str, role: dict) -> list[str]:
    """Returns what gives a role rights to more than it names."""
    faults = [f"{name} has the managed policy {policy}" for policy in role.get("ManagedPolicyArns", [])]
    for policy in role.get("Policies", []):
        for statement in listed(policy["PolicyDocument"]["Statement"]):
            faults += [f"{name} may {action}" for action in listed(statement["Action"]) if "*" in action]
            if "*" in listed(statement.get("Resource", "*")):
                faults.append(f"{name} may {statement['Action']} on every resource")
    return faults


def check(resources: dict) -> list[str]:
    """Returns the faults of the expanded template."""
    faults = []
    roles = {name: r["Properties"] for name, r in resources.items() if r["Type"] == "AWS::IAM::Role"}
    for name, role in roles.items():
        faults += faults_of_role(name, role)
    used = set()
    for name, function in resources.items():
        if function["Type"] == "AWS::Lambda::Function":
            role = function["Properties"]["Role"].get("Fn::GetAtt", [""])[0]
            if role not in roles or role in used:
                faults.append(f"{name} has no role of its own")
            used.add(role)
    faults += [f"{name} belongs to no function" for name in roles.keys() - used]
    detached = {"AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy"}
    policies = {name for name, r in resources.items() if r["Type"] in detached}
    faults += [f"{name} is not part of a role" for name in policies - {"TracingRights"}]  # its test is in roles.rs
    if len(resources) > MAX_RESOURCES:
        faults.append(f"{len(resources)} resources; a stack has at most {MAX_RESOURCES}")
    return faults


if __name__ == "__main__":
    found = check(expand())
    print("\n".join(found) or "Every function has a role of its own that names its resources.")
    sys.exit(bool(found))

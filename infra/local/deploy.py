"""Deploys template.yaml to the emulator, and checks that the emulator serves all of it."""

import json
import uuid
from dataclasses import dataclass

from botocore.exceptions import ClientError, WaiterError

import template as templates
from build import Package
from console import CloudError
from emulator import Emulator

STACK = "shared-inbox"
BUCKET = "shared-inbox-code"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


@dataclass(frozen=True)
class Deployment:
    """The outputs of the stack, and the physical name of each resource."""

    outputs: dict[str, str]
    resources: dict[str, str]

    def of_type(self, template: dict, kind: str) -> dict[str, str]:
        """Physical names of the resources of one type, by logical name."""
        return {n: self.resources[n] for n, r in template["Resources"].items() if r["Type"] == kind and n in self.resources}


def create_secret(emulator: Emulator, name: str, content: dict) -> None:
    """Creates the secret with the carrier's account. The stack expects it to exist."""
    emulator.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(content))


def upload(emulator: Emulator, packages: dict[str, Package]) -> None:
    """Uploads the deployment packages."""
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for package in packages.values():
        s3.put_object(Bucket=BUCKET, Key=package.key, Body=package.path.read_bytes())


def deploy(emulator: Emulator, parameters: dict[str, str | int], packages: dict[str, Package]) -> Deployment:
    """Deploys the template and checks the result."""
    formation = emulator.client("cloudformation")
    filled = templates.fill(templates.load(), parameters, BUCKET, packages)
    native = templates.expand(_processed(emulator, formation, filled))
    change = _change_set(emulator, formation, native)
    formation.execute_change_set(StackName=STACK, ChangeSetName=change)
    try:
        formation.get_waiter("stack_create_complete").wait(
            StackName=STACK, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300}
        )
    except WaiterError:
        raise CloudError(f"the emulator refused the stack: {_failures(formation)}") from None
    outputs = formation.describe_stacks(StackName=STACK)["Stacks"][0].get("Outputs", [])
    resources = formation.describe_stack_resources(StackName=STACK)["StackResources"]
    deployment = Deployment(
        {output["OutputKey"]: output["OutputValue"] for output in outputs},
        {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
    )
    _check_routes(emulator)
    _expire_items(emulator, native, deployment)
    return deployment


def update(emulator: Emulator, parameters: dict[str, str | int], packages: dict[str, Package]) -> None:
    """Updates the stack to other parameters."""
    formation = emulator.client("cloudformation")
    filled = templates.fill(templates.load(), parameters, BUCKET, packages)
    native = templates.expand(_processed(emulator, formation, filled, "UPDATE"))
    change = _change_set(emulator, formation, native, "UPDATE")
    formation.execute_change_set(StackName=STACK, ChangeSetName=change)
    try:
        formation.get_waiter("stack_update_complete").wait(
            StackName=STACK, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300}
        )
    except WaiterError:
        raise CloudError(f"the emulator refused the update: {_failures(formation)}") from None


def _processed(emulator: Emulator, formation, template: dict, kind: str = "CREATE") -> dict:
    """Returns the template after the SAM transform. The change set that makes it is not executed."""
    change = _change_set(emulator, formation, template, kind)
    body = formation.get_template(StackName=STACK, ChangeSetName=change, TemplateStage="Processed")["TemplateBody"]
    formation.delete_change_set(StackName=STACK, ChangeSetName=change)
    return json.loads(body) if isinstance(body, str) else json.loads(json.dumps(body))


def _change_set(emulator: Emulator, formation, template: dict, kind: str = "CREATE") -> str:
    name = f"local-{uuid.uuid4().hex[:8]}"
    # From the bucket: the expanded template is longer than a request allows.
    emulator.client("s3").put_object(Bucket=BUCKET, Key=f"{name}.json", Body=json.dumps(template).encode())
    try:
        formation.create_change_set(
            StackName=STACK,
            ChangeSetName=name,
            ChangeSetType=kind,
            TemplateURL=f"{emulator.url}/{BUCKET}/{name}.json",
            Capabilities=CAPABILITIES,
        )
        formation.get_waiter("change_set_create_complete").wait(
            StackName=STACK, ChangeSetName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 150}
        )
    except WaiterError as error:
        reason = str(error.last_response.get("StatusReason", error))
        raise CloudError(f"the emulator refused the template: {reason[-500:]}") from None
    except ClientError as error:
        raise CloudError(f"the emulator refused the template: {error.response['Error']['Message'][-500:]}") from None
    return name


def _failures(formation) -> str:
    events = formation.describe_stack_events(StackName=STACK)["StackEvents"]
    reasons = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
    ]
    return "; ".join(reasons) or "no reason given"


def _expire_items(emulator: Emulator, template: dict, deployment: Deployment) -> None:
    """Sets the TTL of tables. The emulator's CloudFormation ignores it; its DynamoDB supports it."""
    tables = emulator.client("dynamodb")
    for logical, name in deployment.of_type(template, "AWS::DynamoDB::Table").items():
        if expiry := template["Resources"][logical]["Properties"].get("TimeToLiveSpecification"):
            tables.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)


def _check_routes(emulator: Emulator) -> None:
    """Compares the served routes with the template, because the emulator has silently dropped routes before."""
    gateway = emulator.client("apigatewayv2")
    served = {
        templates.Route(r["RouteKey"], r.get("AuthorizationType", "NONE"), tuple(sorted(r.get("AuthorizationScopes", []))))
        for page in gateway.get_paginator("get_routes").paginate(ApiId=templates.API_ID)
        for r in page["Items"]
    }
    wanted = templates.routes(templates.load())
    if served != wanted:
        missing, unexpected = sorted(wanted - served), sorted(served - wanted)
        raise CloudError(f"the emulator does not serve the template's routes; missing: {missing}, unexpected: {unexpected}")
    for authorizer in gateway.get_authorizers(ApiId=templates.API_ID)["Items"]:
        jwt = authorizer["JwtConfiguration"]
        if not jwt.get("Issuer") or not jwt.get("Audience"):
            raise CloudError(f"authorizer {authorizer['Name']} has no issuer or audience, so it would refuse every token")

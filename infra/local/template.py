"""Reads template.yaml and adapts it to the emulator, which ignores the OpenAPI body of a SAM HTTP API.

The steps: fill() the template, process it with the emulator's SAM transform, expand() the result, deploy it.
"""

import hashlib
import json
from dataclasses import dataclass

import yaml

from build import Package
from console import CloudError
from prerequisites import ROOT

API_ID = "shared-inbox"  # chosen here, so that the API's URL is known before the deployment


@dataclass(frozen=True, order=True)
class Route:
    """A route of the API: method and path, its authorization, and the scopes it requires."""

    key: str
    authorization: str  # JWT or NONE
    scopes: tuple[str, ...] = ()


class _Loader(yaml.SafeLoader):
    """Loads YAML with CloudFormation's short forms, such as `!Ref`."""


def _short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix in ("Ref", "Condition"):
        return {suffix: value}
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def load() -> dict:
    """Returns template.yaml as plain data, with its loops expanded."""
    template = _expand_json(_expand_loops(yaml.load((ROOT / "template.yaml").read_text(), Loader=_Loader)))
    template["Transform"].remove("AWS::LanguageExtensions")
    return template


def _expand_loops(node):
    """Expands `Fn::ForEach`. The routes and functions are read from the template before the emulator transforms it."""
    if isinstance(node, list):
        return [_expand_loops(item) for item in node]
    if not isinstance(node, dict):
        return node
    expanded = {}
    for key, value in node.items():
        if key.startswith("Fn::ForEach::"):
            identifier, collection, body = value
            for item in collection:
                expanded |= _expand_loops(_replace(identifier, item, body))
        else:
            expanded[key] = _expand_loops(value)
    return expanded


def _expand_json(node):
    """Replaces `Fn::ToJsonString` by a `Fn::Sub` of the same text."""
    if isinstance(node, list):
        return [_expand_json(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "Fn::ToJsonString" in node:
        return {"Fn::Sub": json.dumps(_as_text(node["Fn::ToJsonString"]), ensure_ascii=False)}
    return {key: _expand_json(value) for key, value in node.items()}


def _as_text(node):
    """Replaces references by their variables in `Fn::Sub`."""
    if isinstance(node, str):
        return node.replace("${", "${!")
    if isinstance(node, list):
        return [_as_text(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "Ref" in node:
        return f"${{{node['Ref']}}}"
    if "Fn::Sub" in node:
        return node["Fn::Sub"]
    return {key: _as_text(value) for key, value in node.items()}


def _replace(identifier: str, item: str, node):
    """Replaces the identifier of a loop. A `Fn::Sub` without other variables becomes a plain string."""
    if isinstance(node, str):
        return node.replace(f"${{{identifier}}}", item)
    if isinstance(node, list):
        return [_replace(identifier, item, element) for element in node]
    if not isinstance(node, dict):
        return node
    if node == {"Ref": identifier}:
        return item
    replaced = {_replace(identifier, item, key): _replace(identifier, item, value) for key, value in node.items()}
    text = replaced.get("Fn::Sub")
    return text if isinstance(text, str) and "${" not in text else replaced


def _functions(template: dict) -> dict[str, dict]:
    return {n: r for n, r in template["Resources"].items() if r["Type"] == "AWS::Serverless::Function"}


def _binary(function: dict) -> str:
    return function["Metadata"]["BuildProperties"]["Binary"]


def binaries(template: dict) -> list[str]:
    """The program names of the functions."""
    return [_binary(function) for function in _functions(template).values()]


def routes(template: dict) -> set[Route]:
    """The routes in the events of the functions."""
    apis = [r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::Serverless::HttpApi"]
    default = apis[0].get("Auth", {}).get("DefaultAuthorizer", "NONE")
    found = set()
    for function in _functions(template).values():
        for event in function["Properties"].get("Events", {}).values():
            if event["Type"] == "HttpApi":
                properties = event["Properties"]
                auth = properties.get("Auth", {})
                key = f"{properties['Method'].upper()} {properties['Path']}"
                kind = "NONE" if auth.get("Authorizer", default) == "NONE" else "JWT"
                found.add(Route(key, kind, tuple(sorted(auth.get("AuthorizationScopes", [])))))
    return found


def fill(template: dict, parameters: dict[str, str | int], bucket: str, packages: dict[str, Package]) -> dict:
    """Sets the parameters and the uploaded code.

    The values become the defaults of the parameters, because the emulator's SAM transform reads only those.
    """
    for name, value in parameters.items():
        template["Parameters"][name]["Default"] = value
    for function in _functions(template).values():
        function["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": packages[_binary(function)].key}
    template["Globals"]["Function"].pop("CodeUri", None)
    return template


def expand(processed: dict) -> dict:
    """Replaces the OpenAPI bodies of the processed template by routes, integrations and authorizers."""
    resources = processed["Resources"]
    _allow_plain_http(resources)
    for name in [n for n, r in resources.items() if r["Type"] == "AWS::ApiGatewayV2::Api"]:
        if "Body" in resources[name]["Properties"]:
            _expand_api(resources, name)
    for resource in resources.values():
        if resource["Type"] == "AWS::IAM::Role":
            _adapt_permissions(resource["Properties"])
    processed.pop("Transform", None)
    return processed


def _allow_plain_http(resources: dict) -> None:
    """Removes bucket policy statements that require TLS: there is none on loopback."""
    for name in [n for n, r in resources.items() if r["Type"] == "AWS::S3::BucketPolicy"]:
        document = resources[name]["Properties"]["PolicyDocument"]
        document["Statement"] = [s for s in document["Statement"] if "aws:SecureTransport" not in json.dumps(s)]
        if not document["Statement"]:
            del resources[name]


def _expand_api(resources: dict, name: str) -> None:
    properties = resources[name]["Properties"]
    body = properties.pop("Body")
    properties.pop("FailOnWarnings", None)
    properties.update(Name=body["info"]["title"], ProtocolType="HTTP", Tags={"ms-custom-id": API_ID})
    if cors := body.get("x-amazon-apigateway-cors"):
        properties["CorsConfiguration"] = cors  # the emulator reads the same lower camel case
    for scheme, definition in body.get("components", {}).get("securitySchemes", {}).items():
        resources[f"{name}Authorizer{scheme}"] = _authorizer(name, scheme, definition["x-amazon-apigateway-authorizer"])
    for path, methods in body["paths"].items():
        for method, operation in methods.items():
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            _add_route(resources, name, "$default" if path == "/$default" else f"{verb} {path}", operation)


def _authorizer(api: str, name: str, definition: dict) -> dict:
    if definition["type"] != "jwt":
        raise CloudError(f"the local cloud supports only JWT authorizers; {name} has type {definition['type']}")
    jwt = definition["jwtConfiguration"]
    return {
        "Type": "AWS::ApiGatewayV2::Authorizer",
        "Properties": {
            "ApiId": {"Ref": api},
            "Name": name,
            "AuthorizerType": "JWT",
            "IdentitySource": [definition["identitySource"]],
            "JwtConfiguration": {"Issuer": jwt["issuer"], "Audience": jwt["audience"]},
        },
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _add_route(resources: dict, api: str, key: str, operation: dict) -> None:
    integration = operation["x-amazon-apigateway-integration"]
    if integration["type"] != "aws_proxy":
        raise CloudError(f"the local cloud supports only function integrations; {key} has {integration['type']}")
    name = f"{api}Route{_digest(key)}"
    # One for each function: CloudFormation allows 500 resources.
    target = f"{api}Integration{_digest(json.dumps(integration['uri']))}"
    route = {
        "ApiId": {"Ref": api},
        "RouteKey": key,
        "Target": {"Fn::Join": ["/", ["integrations", {"Ref": target}]]},
    }
    for requirement in operation.get("security", []):
        for authorizer, scopes in requirement.items():
            if authorizer != "NONE":
                route["AuthorizationType"] = "JWT"
                route["AuthorizationScopes"] = scopes
                route["AuthorizerId"] = {"Ref": f"{api}Authorizer{authorizer}"}
    resources[target] = {
        "Type": "AWS::ApiGatewayV2::Integration",
        "Properties": {
            "ApiId": {"Ref": api},
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": integration["uri"],
            "PayloadFormatVersion": integration["payloadFormatVersion"],
        },
    }
    resources[name] = {"Type": "AWS::ApiGatewayV2::Route", "Properties": route}


def _adapt_permissions(role: dict) -> None:
    """Adapts policies: the emulator requires ses:SendEmail on `*`."""
    for policy in role.get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            if "ses:SendEmail" in actions:
                statement["Resource"] = "*"

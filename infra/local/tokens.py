"""Signs in the demo users and machines, and returns the tokens that they call the API with."""

import base64
import json
import secrets
import urllib.error
import urllib.parse
import urllib.request

from console import CloudError
from deploy import Deployment
from emulator import Emulator


def sign_in_users(emulator: Emulator, deployment: Deployment, users: list[dict]) -> list[dict]:
    """Returns each user with a `password` for the console, and an ID token in `token`."""
    cognito = emulator.client("cognito-idp")
    pool, client = deployment.outputs["UserPoolId"], deployment.outputs["WebClientId"]
    passwords = [f"{secrets.token_urlsafe(9)}aA1" for _ in users]
    return [
        {**user, "password": password, "token": _token(cognito, pool, client, user, password)}
        for user, password in zip(users, passwords)
    ]


def _token(cognito, pool: str, client: str, user: dict, password: str) -> str:
    attributes = {
        "email": user["email"],
        "email_verified": "true",
        "name": user["name"],
        "custom:organization_id": user["organizationId"],
        "custom:user_id": user["id"],
    }
    cognito.admin_create_user(
        UserPoolId=pool,
        Username=user["email"],
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
    )
    cognito.admin_set_user_password(UserPoolId=pool, Username=user["email"], Password=password, Permanent=True)
    response = cognito.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user["email"], "PASSWORD": password},
    )
    return response["AuthenticationResult"]["IdToken"]


def sign_in_machines(emulator: Emulator, deployment: Deployment, machines: list[dict]) -> list[dict]:
    """Returns each machine with an access token in `token`, obtained with its client credentials."""
    pool = deployment.outputs["UserPoolId"]
    cognito = emulator.client("cognito-idp")
    return [{**machine, "token": _machine_token(emulator, cognito, pool, machine["clientId"])} for machine in machines]


def _machine_token(emulator: Emulator, cognito, pool: str, client: str) -> str:
    secret = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client)["UserPoolClient"]["ClientSecret"]
    request = urllib.request.Request(
        f"{emulator.url}/oauth2/token",
        data=urllib.parse.urlencode({"grant_type": "client_credentials"}).encode(),
        headers={
            "Authorization": f"Basic {base64.b64encode(f'{client}:{secret}'.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)["access_token"]
    except urllib.error.HTTPError as error:
        raise CloudError(f"the emulator did not return a machine token: {error.read().decode(errors='replace')}") from None

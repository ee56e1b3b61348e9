"""Gets the tokens that the demo machines call the API with."""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request

from console import CloudError
from emulator import Emulator


def sign_in_machines(emulator: Emulator, machines: list[dict]) -> list[dict]:
    """Returns each machine with an access token in `token`, obtained with its client credentials."""
    return [
        {
            "clientId": machine["clientId"],
            "organizationId": machine["organizationId"],
            "token": _machine_token(emulator, machine["clientId"], machine["clientSecret"]),
        }
        for machine in machines
    ]


def _machine_token(emulator: Emulator, client: str, secret: str) -> str:
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

"""The commands of the tour in README.md; tour.sh defines a shell function for each.

    tour.py start                               checks that `make run` is ready and prints where to look
    tour.py api USER METHOD PATH [ARGUMENT…]    calls the API as a user and prints the response
    tour.py carrier PATH [NAME=VALUE…]          calls the carrier simulator and prints the response
    tour.py emails                              prints the e-mails that were sent, newest first
    tour.py show FIELD…                         prints fields of the JSON on standard input; one field without its name

Arguments of `api` follow HTTPie: NAME=VALUE is a string and NAME:=JSON any value of a JSON body, NAME:VALUE is a header,
and @FILE sends a CSV file.
"""

import base64
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STACK_FILE = Path(os.environ.get("STACK_FILE") or ROOT / (os.environ.get("STATE_DIR") or ".local") / "stack.json")
TIMEOUT_SECONDS = 30


def stack() -> dict:
    try:
        return json.loads(STACK_FILE.read_text())
    except FileNotFoundError:
        sys.exit("The local cloud is not ready. Start it with `make run` and wait for \"ready\".")


def start() -> None:
    document = stack()
    print(f"API     {document['apiUrl']}")
    print(f"Phones  {document['carrierUrl']}")
    print(f"Users   {' '.join(user['id'] for user in document['users'])}")


def api(user: str, method: str, path: str, *arguments: str) -> None:
    document = stack()
    token = next((known["token"] for known in document["users"] if known["id"] == user), None)
    if token is None:
        sys.exit(f"There is no user {user}.")
    headers, body = {"Authorization": f"Bearer {token}"}, {}
    data = None
    for argument in arguments:
        name, separator, value = re.match(r"(@|[\w-]+)(:=|=|:|)(.*)", argument, re.DOTALL).groups()
        if name == "@":
            headers["Content-Type"], data = "text/csv", Path(value).read_bytes()
        elif separator == ":":
            headers[name] = value
        else:
            body[name] = json.loads(value) if separator == ":=" else value
    if body:
        headers["Content-Type"], data = "application/json", json.dumps(body).encode()
    print(call(method, document["apiUrl"] + path, headers, data))


def carrier(path: str, *fields: str) -> None:
    document = stack()
    account = document["twilio"]["accountSid"] + ":" + document["twilio"]["authToken"]
    headers = {"Authorization": "Basic " + base64.b64encode(account.encode()).decode()}
    data = urllib.parse.urlencode([tuple(field.split("=", 1)) for field in fields]).encode()
    print(call("POST", document["carrierUrl"] + path, headers, data))


def emails() -> None:
    sent = json.loads(call("GET", stack()["inspect"]["emails"], {}, None))["messages"].values()
    newest_first = sorted((mail for mails in sent for mail in mails), key=lambda mail: -mail["Timestamp"])
    print(json.dumps([{"to": mail["To"][0], "subject": mail["Subject"], "text": mail["BodyText"]} for mail in newest_first]))


def call(method: str, url: str, headers: dict, data: bytes | None) -> str:
    """The response's body; its status if it has none."""
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            text, status = response.read().decode(), response.status
    except urllib.error.HTTPError as refused:
        text, status = refused.read().decode(), refused.code
    except urllib.error.URLError as failed:
        sys.exit(f"{url} does not answer ({failed.reason}). Is `make run` still running?")
    return text.strip() or json.dumps({"status": status})


def show(*fields: str) -> None:
    content = sys.stdin.read()
    if not content.strip():
        sys.exit(1)  # the command before it has printed why
    document = json.loads(content)
    values = [(field, text(find(document, field.split(".")))) for field in fields]
    if len(values) == 1:
        print(values[0][1])
        return
    width = max(len(field) for field in fields)
    for field, value in values:
        print(f"{field:<{width}}  {value}")


def find(value: object, path: list[str]) -> object:
    for step in path:
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    {"start": start, "api": api, "carrier": carrier, "emails": emails, "show": show}[command](*arguments)

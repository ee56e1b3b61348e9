"""The process of the emulator: ministack, with three changes.

- Each line that a function writes is appended to PRODUCT_LOG at once. ministack shows the lines only in
  CloudWatch Logs, and only after the invocation.
- Each permission that a role uses is written to RIGHTS_LOG once, as a line of JSON. A test compares them with
  the permissions that the template grants.
- An allowed CORS origin can have any port (`http://localhost:*`), as in S3.

All three replace internal functions of ministack, whose version is pinned in requirements.txt.
"""

import fnmatch
import json
import os

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.lambda_runtime import ProvidedWorker
from ministack.services import apigateway

PRODUCT_LOG = open(os.environ.pop("PRODUCT_LOG"), "ab", buffering=0)  # in append mode, each line is written whole
RIGHTS_LOG = open(os.environ.pop("RIGHTS_LOG"), "wb", buffering=0)


class CopiedStream:
    """The output of a function, copied to the log line by line."""

    def __init__(self, stream):
        self._stream = stream

    def readline(self) -> bytes:
        line = self._stream.readline()
        if line:
            PRODUCT_LOG.write(line)
        return line

    def close(self) -> None:
        self._stream.close()


def with_rights_log(evaluate):
    """The policy evaluation, which also logs each new permission that it allows."""
    logged = set()

    def evaluate_and_log(context, *policies):
        result = evaluate(context, *policies)
        used = (context.principal_arn.rsplit("/", 1)[0], context.action, context.resource_arn)
        if result.decision == "Allow" and used not in logged:
            logged.add(used)
            RIGHTS_LOG.write(json.dumps(dict(zip(("role", "action", "resource"), used))).encode() + b"\n")
        return result

    return evaluate_and_log


def with_any_port(response_headers):
    """The CORS headers, which also accept origins that match a pattern."""

    def headers(configuration, origin):
        allowed = (configuration or {}).get("allowOrigins", [])
        if any(fnmatch.fnmatchcase((origin or "").lower(), pattern) for pattern in allowed if ":*" in pattern):
            configuration = {**configuration, "allowOrigins": [origin]}
        return response_headers(configuration, origin)

    return headers


if __name__ == "__main__":
    pump_output = ProvidedWorker._pump_output
    ProvidedWorker._pump_output = lambda worker, stream, lines: pump_output(worker, CopiedStream(stream), lines)
    iam_evaluator.evaluate = with_rights_log(iam_evaluator.evaluate)
    apigateway._cors_response_headers = with_any_port(apigateway._cors_response_headers)
    app.main()

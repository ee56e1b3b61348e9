"""The emulator's own process: ministack, observed.

Every line that a function writes is appended to PRODUCT_LOG as it comes; ministack itself shows those lines only in its
CloudWatch Logs, and only once an invocation has ended. Every right that a role makes use of is written to RIGHTS_LOG
once, as a line of JSON: what the template grants can so be compared with what the functions need.

Both hook into inner parts of ministack; its version is pinned.
"""

import json
import os

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.lambda_runtime import ProvidedWorker

LOG = open(os.environ.pop("PRODUCT_LOG"), "ab", buffering=0)  # in append mode each line is written whole
RIGHTS = open(os.environ.pop("RIGHTS_LOG"), "wb", buffering=0)


class Tee:
    """A function's output, copied to the log line by line."""

    def __init__(self, stream):
        self._stream = stream

    def readline(self) -> bytes:
        line = self._stream.readline()
        if line:
            LOG.write(line)
        return line

    def close(self) -> None:
        self._stream.close()


def recorded(evaluate):
    """The emulator's judge, whose grants are written down."""
    known = set()

    def judge(context, *policies):
        result = evaluate(context, *policies)
        used = (context.principal_arn.rsplit("/", 1)[0], context.action, context.resource_arn)
        if result.decision == "Allow" and used not in known:
            known.add(used)
            RIGHTS.write(json.dumps(dict(zip(("role", "action", "resource"), used))).encode() + b"\n")
        return result

    return judge


if __name__ == "__main__":
    pump = ProvidedWorker._pump_output
    ProvidedWorker._pump_output = lambda worker, stream, lines: pump(worker, Tee(stream), lines)
    iam_evaluator.evaluate = recorded(iam_evaluator.evaluate)
    app.main()

"""The emulator's own process: ministack, with every line that a function writes appended to PRODUCT_LOG as it comes.

ministack itself shows those lines only in its CloudWatch Logs, and only once an invocation has ended.
"""

import os

from ministack import app
from ministack.core.lambda_runtime import ProvidedWorker

LOG = open(os.environ.pop("PRODUCT_LOG"), "ab", buffering=0)  # in append mode each line is written whole


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


if __name__ == "__main__":
    pump = ProvidedWorker._pump_output  # an inner part: ministack's version is pinned
    ProvidedWorker._pump_output = lambda worker, stream, lines: pump(worker, Tee(stream), lines)
    app.main()

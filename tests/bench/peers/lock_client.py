"""Measures PyPI python-dynamodb-lock. Reads commands from standard input and answers each with a line of JSON.

    acquire KEY             {"micros": …}    the time to acquire a free lock, without its release
    takeover TRIALS LEASE   {"millis": […]}  the times from the end of a crashed holder's lease to the acquisition
"""

import json
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import boto3
from botocore.config import Config
from python_dynamodb_lock.python_dynamodb_lock import DynamoDBLockClient

logging.disable()  # the library logs each takeover
ENDPOINT, TABLE = sys.argv[1:]
NO_HEARTBEAT = timedelta(hours=1)


def client(lease=timedelta(seconds=60)):
    resource = boto3.resource(
        "dynamodb",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(max_pool_connections=50),
    )
    return DynamoDBLockClient(resource, table_name=TABLE, lease_duration=lease, heartbeat_period=NO_HEARTBEAT)


def acquire(locks, key):
    begun = time.perf_counter()
    lock = locks.acquire_lock(key)
    micros = (time.perf_counter() - begun) * 1e6
    lock.release(best_effort=False)
    return {"micros": micros}


def takeover(trials, lease_millis):
    lease = timedelta(milliseconds=lease_millis)
    holder, waiting = client(lease), client(lease)

    def trial(nth):
        key = f"takeover-{nth}"
        holder.acquire_lock(key)  # the holder crashes
        time.sleep(lease.total_seconds())
        ended = time.perf_counter()
        waiting.acquire_lock(key, retry_period=timedelta(milliseconds=5), retry_timeout=10 * lease)
        return (time.perf_counter() - ended) * 1000

    with ThreadPoolExecutor(trials) as pool:
        return {"millis": list(pool.map(trial, range(trials)))}


def main():
    locks = client()
    for line in sys.stdin:
        what, *rest = line.split()
        answer = acquire(locks, rest[0]) if what == "acquire" else takeover(int(rest[0]), int(rest[1]))
        print(json.dumps(answer), flush=True)


main()

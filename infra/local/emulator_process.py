"""The process of the emulator: ministack, with changes to its internal functions.

Six let the local stack be deployed, observed and used:

- Each line that a function writes is appended to PRODUCT_LOG at once. ministack shows the lines only in
  CloudWatch Logs, and only after the invocation.
- Each permission that a role uses is written to RIGHTS_LOG once, as a line of JSON. A test compares them with
  the permissions that the template grants.
- A stack can have saved queries of CloudWatch Logs, which are not stored.
- A dead-letter queue names the queues from which its messages come. ministack has no such action.
- Log streams have the name of their function, as those of functions that share a log group.
- An allowed CORS origin can have any port (`http://localhost:*`), as in S3.

The others make it as strict as AWS:

- Answers of the gateway itself, such as 401 and 404, have the CORS headers of the API, and a preflight of
  another origin is 204 without them.
- Records of a stream that a function reports in `batchItemFailures` are delivered again. ministack loses them.
- App clients of user pools have up to two secrets.
- A stack update creates or deletes at most one index of a table.
- A generated secret has no punctuation if the template excludes it. The signing key must not look like JSON.
- Schedules of EventBridge Scheduler start within a second, and not within ten.
- Functions that read a stream delay neither each other nor the functions that read queues.
- Groups of a FIFO queue are delivered at the same time if batches have one message. ministack delivers one at a time.
- A function that is updated completes its invocations. ministack kills them, and answers nothing until they are gone.
- A request with a batch for a queue or topic requires the right to send a single message, and no right of its own.

Four make it faster:

- A query reads its page from a sorted list of keys. ministack sorts the whole partition, and evaluates the condition for
  each of its items.
- A condition is parsed once, and not for each item.
- The event loop is written in C.
- Garbage is collected rarely, because a table is millions of small objects.

One lets tests disturb it: while the file TABLE_FAULTS exists, that percentage of the functions' requests to
DynamoDB answers with 500, half of them after they took effect.

The version of ministack is pinned in requirements.txt.
"""

import asyncio
import fnmatch
import functools
import gc
import json
import logging
import os
import random
import string
import threading
import time

import uvloop
from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.core.lambda_runtime import ProvidedWorker
from ministack.core.responses import error_response_json, json_response
from ministack.services import apigateway, cloudwatch_logs, cognito, dynamodb, eventbridge, lambda_svc, scheduler, sqs
from ministack.services.cloudformation import provisioners

from sorted_partitions import SortedPartitions

PRODUCT_LOG = open(os.environ.pop("PRODUCT_LOG"), "ab", buffering=0)  # in append mode, each line is written whole
RIGHTS_LOG = open(os.environ.pop("RIGHTS_LOG"), "wb", buffering=0)
TABLE_FAULTS = os.environ.pop("TABLE_FAULTS")
STREAM_POLL_SECONDS = 0.05


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


def with_functions_in_stream_names(emit):
    """The log writer of functions. AWS names a stream of a shared log group `<date>/<function>[<version>]<instance>`."""
    lock = threading.Lock()

    def emit_and_rename(function, *more, **options):
        config = function.get("config") or function
        group = (config.get("LoggingConfig") or {}).get("LogGroup")
        with lock:
            emit(function, *more, **options)
            if group in cloudwatch_logs._log_groups:
                name, stream = cloudwatch_logs._log_groups[group]["streams"].popitem()
                name = name.replace("/[", f"/{config['FunctionName']}[")
                cloudwatch_logs._log_groups[group]["streams"][name] = stream

    return emit_and_rename


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


def end_execution_environments(function, qualifier=None, **_scope):
    """Ends the execution environments of a function, of all versions or of one: a busy one after its invocation, or
    after its timeout. ministack kills them at once, and answers nothing until all of them are gone."""

    def end(worker):
        deadline = time.monotonic() + int(worker.config.get("Timeout", 3)) + 1
        while worker.in_use and time.monotonic() < deadline:
            time.sleep(0.05)
        lambda_runtime.kill_workers([worker])

    with lambda_runtime._lock:
        # A key is account, region, function and version.
        names = {key: key.split(":")[2:] for key in lambda_runtime._workers}
        matching = [key for key, (name, version) in names.items() if name == function and qualifier in (None, version)]
        workers = [worker for key in matching for worker in lambda_runtime._workers.pop(key)]
    for worker in workers:
        threading.Thread(target=end, args=(worker,), daemon=True).start()


def with_rights_of_single_messages(extract_action):
    """The right that a request requires. IAM has none for batches of queues and topics: `sqs:SendMessage` and
    `sns:Publish` allow them as well."""
    batches = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sns:Publish")

    def extract(*request):
        action = extract_action(*request)
        single = (action or "").removesuffix("Batch")
        return single if single in batches else action

    return extract


def with_any_port(response_headers):
    """The CORS headers, which also accept origins that match a pattern."""

    def headers(configuration, origin):
        allowed = (configuration or {}).get("allowOrigins", [])
        if any(fnmatch.fnmatchcase((origin or "").lower(), pattern) for pattern in allowed if ":*" in pattern):
            configuration = {**configuration, "allowOrigins": [origin]}
        return response_headers(configuration, origin)

    return headers


def with_cors_on_own_answers(execute):
    """A request of the data plane, whose answer has CORS headers even if no function gave it."""

    async def execute_request(api_id, stage, path, method, headers, *more):
        status, response_headers, body = await execute(api_id, stage, path, method, headers, *more)
        configuration = (apigateway._apis.get(api_id) or {}).get("corsConfiguration")
        origin = headers.get("origin") or headers.get("Origin", "")
        cors = apigateway._cors_response_headers(configuration, origin)
        if method == "OPTIONS" and configuration and not cors:
            return 204, {"Content-Length": "0"}, b""
        return status, {**cors, **response_headers}, body

    return execute_request


def with_stream_failures(run_function):
    """An invocation that fails if the function reports failures of records of a stream, so that the batch is
    delivered again. AWS begins at the first record that failed."""

    def run(function, event, *more, **options):
        result = run_function(function, event, *more, **options)
        records = event.get("Records") if isinstance(event, dict) else None
        if not records or records[0].get("eventSource") != "aws:dynamodb" or result.get("error"):
            return result
        body = result.get("body")
        body = json.loads(body) if isinstance(body, (str, bytes)) and body else body
        failures = body.get("batchItemFailures") if isinstance(body, dict) else None
        if not failures:
            return result
        error = {"errorType": "BatchItemFailures", "errorMessage": f"{len(failures)} records failed"}
        return {**result, "error": True, "body": error}

    return run


def with_workers_for_each_group(concurrency):
    """The workers of an event source, also of a FIFO queue. ministack gives such a queue one, because a batch can have
    messages of several groups. A batch of one message has not, and AWS delivers groups at the same time."""

    def workers(esm, function, config, queue=None):
        return concurrency(esm, function, config, None if esm.get("BatchSize") == 1 else queue)

    return workers


def with_one_thread_for_each_stream_reader(poll_streams, event_sources):
    """The polls of streams, each reader in a thread of its own, as in AWS. ministack runs the readers of streams and
    of queues one after the other, so a slow reader of a stream delays all others."""
    reader = threading.local()
    started = set()

    def sources_of_reader():
        only = getattr(reader, "id", None)
        return (source for source in event_sources() if only in (None, source[2]["UUID"]))

    def read(source_id):
        reader.id = source_id
        while True:
            try:
                processed = poll_streams()
            except Exception as error:
                logging.getLogger("lambda").error("stream reader failed: %s", error)
                processed = False
            if not processed:
                time.sleep(STREAM_POLL_SECONDS)

    def start_readers():
        for _, _, source in event_sources():
            if ":dynamodb:" in source.get("EventSourceArn", "") and source["UUID"] not in started:
                started.add(source["UUID"])
                threading.Thread(target=read, args=(source["UUID"],), daemon=True).start()
        return False

    return start_readers, sources_of_reader


def with_one_index_change(update_table):
    """The update of a table by CloudFormation, which refuses a second change of indexes."""

    def update(physical_id, old_properties, new_properties, *more, **options):
        old, new = (
            {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes", [])}
            for properties in (old_properties, new_properties)
        )
        changed = sum((name in old) + (name in new) for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        if changed > 1:
            raise ValueError("Cannot perform more than one GSI creation or deletion in a single update")
        return update_table(physical_id, old_properties, new_properties, *more, **options)

    return update


def with_excluded_punctuation(secret_string):
    """The content of a secret of a stack. ministack ignores ExcludePunctuation."""

    def generate(properties):
        rule = properties.get("GenerateSecretString") or {}
        if str(rule.get("ExcludePunctuation")).lower() == "true":
            excluded = rule.get("ExcludeCharacters", "") + string.punctuation
            properties = {**properties, "GenerateSecretString": {**rule, "ExcludeCharacters": excluded}}
        return secret_string(properties)

    return generate


class EitherSecret(str):
    """The secret of an app client, which equals the second secret too. The token endpoint compares it."""

    def __new__(cls, secrets):
        either = super().__new__(cls, secrets[0]["value"])
        either.values = {secret["value"] for secret in secrets}
        return either

    def __eq__(self, other):
        return other in self.values

    def __ne__(self, other):
        return other not in self.values

    __hash__ = str.__hash__


def with_two_client_secrets(dispatch):
    """The actions of Cognito, with those for the secrets of app clients."""
    stored = {}

    def secrets_of(data):
        client = ((cognito._user_pools.get(data["UserPoolId"]) or {}).get("_clients") or {}).get(data["ClientId"])
        if not client or not client.get("ClientSecret"):
            return None, None
        first = {"id": f"{data['ClientId']}--1", "value": str(client["ClientSecret"]), "at": client["CreationDate"]}
        return client, stored.setdefault(data["ClientId"], [first])

    def described(secret):
        return {"ClientSecretId": secret["id"], "ClientSecretCreateDate": secret["at"]}

    def answer(action, data):
        client, secrets = secrets_of(data)
        if client is None:
            return error_response_json("ResourceNotFoundException", "User pool client does not exist.", 400)
        if action == "ListUserPoolClientSecrets":
            return json_response({"ClientSecrets": [described(secret) for secret in secrets]})
        if action == "AddUserPoolClientSecret":
            if len(secrets) == 2:
                return error_response_json("LimitExceededException", "Secrets limit exceeded.", 400)
            at = max(time.time(), secrets[0]["at"] + 0.001)
            added = {"id": f"{data['ClientId']}--{at}", "value": cognito._client_secret(), "at": at}
            secrets.append(added)
            client["ClientSecret"] = EitherSecret(secrets)
            return json_response({"ClientSecretDescriptor": {**described(added), "ClientSecretValue": added["value"]}})
        left = [secret for secret in secrets if secret["id"] != data["ClientSecretId"]]
        if left == secrets:
            return error_response_json("ResourceNotFoundException", "The secret does not exist.", 400)
        if not left:
            return error_response_json("InvalidParameterException", "The secret cannot be deleted.", 400)
        secrets[:] = left
        client["ClientSecret"] = EitherSecret(secrets)
        return json_response({})

    async def dispatch_action(action, data):
        if action in ("ListUserPoolClientSecrets", "AddUserPoolClientSecret", "DeleteUserPoolClientSecret"):
            return answer(action, data)
        return await dispatch(action, data)

    return dispatch_action


def source_queues(data, queue_url):
    """The action ListDeadLetterSourceQueues of SQS."""
    dead_letters = sqs._get_q(data.get("QueueUrl", queue_url))["attributes"]["QueueArn"]

    def target(queue):
        return json.loads(queue["attributes"].get("RedrivePolicy") or "{}").get("deadLetterTargetArn")

    return {"queueUrls": [url for url, queue in sqs._queues.items() if target(queue) == dead_letters]}


def with_table_faults(handle):
    """The requests to DynamoDB, some of which fail on demand. Those of the operator never do."""

    async def handle_request(method, path, headers, body, *more):
        if "Credential=test/" in headers.get("authorization", "") or not os.path.exists(TABLE_FAULTS):
            return await handle(method, path, headers, body, *more)
        with open(TABLE_FAULTS) as file:
            percent = int(file.read() or 0)
        chance = random.randrange(200)
        if chance < 2 * percent and chance % 2:
            await handle(method, path, headers, body, *more)  # it takes effect, and its answer is lost
        if chance < 2 * percent:
            return error_response_json("InternalServerError", "Internal server error", 500)
        return await handle(method, path, headers, body, *more)

    return handle_request


if __name__ == "__main__":
    lambda_svc.invalidate_worker = end_execution_environments
    pump_output = ProvidedWorker._pump_output
    ProvidedWorker._pump_output = lambda worker, stream, lines: pump_output(worker, CopiedStream(stream), lines)
    lambda_svc._emit_lambda_logs = with_functions_in_stream_names(lambda_svc._emit_lambda_logs)
    dynamodb._tokenize = functools.lru_cache(dynamodb._tokenize)
    dynamodb._condition_syntax_error = functools.lru_cache(dynamodb._condition_syntax_error)
    partitions = SortedPartitions()
    dynamodb._set_item = partitions.with_added_keys(dynamodb._set_item)
    dynamodb._remove_item = partitions.with_removed_keys(dynamodb._remove_item)
    dynamodb._query = partitions.with_pages(dynamodb._query)
    dynamodb.handle_request = with_table_faults(dynamodb.handle_request)
    iam_evaluator.evaluate = with_rights_log(iam_evaluator.evaluate)
    iam_actions.extract_iam_action = with_rights_of_single_messages(iam_actions.extract_iam_action)
    apigateway._cors_response_headers = with_any_port(apigateway._cors_response_headers)
    apigateway._handle_execute_in_scope = with_cors_on_own_answers(apigateway._handle_execute_in_scope)
    lambda_svc._execute_function = with_stream_failures(lambda_svc._execute_function)
    lambda_svc._sqs_esm_concurrency = with_workers_for_each_group(lambda_svc._sqs_esm_concurrency)
    lambda_svc._poll_dynamodb_streams, lambda_svc._iter_all_esms = with_one_thread_for_each_stream_reader(
        lambda_svc._poll_dynamodb_streams, lambda_svc._iter_all_esms
    )
    sqs._HANDLERS["ListDeadLetterSourceQueues"] = source_queues
    cognito._dispatch_idp = with_two_client_secrets(cognito._dispatch_idp)
    provisioners._sm_secret_string = with_excluded_punctuation(provisioners._sm_secret_string)
    tables = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    tables["update"] = with_one_index_change(tables["update"])
    provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {
        "create": lambda logical_id, properties, stack: (f"{stack}-{logical_id}", {}),
        "update": lambda physical_id, *properties: (physical_id, {}),
        "delete": lambda physical_id, properties: None,
    }
    scheduler._SCHEDULE_TICK_INTERVAL = eventbridge._SCHEDULER_TICK_INTERVAL = 1
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    gc.set_threshold(100_000, 50, 100)
    app.main()

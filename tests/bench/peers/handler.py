"""Acquires the lock as a Python function: the access check and one conditional write, in a minimal loop around the
Runtime API. The expressions are those of shared/aws/src/conversation/locks.rs."""

import http.client
import json
import os
import time

import boto3

TABLE = os.environ["TABLE_NAME"]
dynamodb = boto3.client("dynamodb")


def handle(event):
    claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
    organization, user = claims["custom:organization_id"], claims["custom:user_id"]
    place = event["pathParameters"]
    pk = {"S": f"{organization}#{place['inboxId']}"}
    member = dynamodb.get_item(TableName=TABLE, Key={"pk": pk, "sk": {"S": f"MEMBER#{user}"}}).get("Item")
    if not member:
        return {"statusCode": 404, "body": ""}
    now = int(time.time() * 1000)
    before = dynamodb.update_item(
        TableName=TABLE,
        Key={"pk": pk, "sk": {"S": place["conversationId"]}},
        UpdateExpression="SET lockHolder = :holder, lockExpiresAt = :expires, lockIdleAt = :idle, "
        "fence = if_not_exists(fence, :zero) + :one, #read = :read REMOVE unreadIn",
        ConditionExpression="attribute_exists(pk) AND (attribute_not_exists(lockHolder) OR lockHolder.id = :me "
        "OR lockExpiresAt < :skewed OR lockIdleAt < :skewed)",
        ExpressionAttributeNames={"#read": "read"},
        ExpressionAttributeValues={
            ":me": {"S": user},
            ":holder": member["user"],
            ":expires": {"N": str(now + 60000)},
            ":idle": {"N": str(now + 240000)},
            ":skewed": {"N": str(now - 500)},
            ":zero": {"N": "0"},
            ":one": {"N": "1"},
            ":read": {"BOOL": True},
        },
        ReturnValues="ALL_OLD",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )["Attributes"]
    body = {"token": int(before.get("fence", {"N": "0"})["N"]) + 1, "expiresAt": now + 60000}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def main():
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        api.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = api.getresponse()
        event = json.loads(answer.read())
        request = answer.getheader("lambda-runtime-aws-request-id")
        outcome = json.dumps(handle(event), separators=(",", ":"))
        api.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", outcome)
        api.getresponse().read()


main()

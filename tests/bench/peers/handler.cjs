// Acquires the lock as a Node function: the access check and one conditional write, in a minimal loop around the
// Runtime API. The expressions are those of shared/aws/src/conversation/locks.rs.
"use strict";

const http = require("node:http");
const { createRequire } = require("node:module");
const installed = createRequire(`${process.env.PEERS}/`);
const { DynamoDBClient, GetItemCommand, UpdateItemCommand } = installed("@aws-sdk/client-dynamodb");

const TableName = process.env.TABLE_NAME;
const dynamodb = new DynamoDBClient({});

async function handle(event) {
  const { claims } = event.requestContext.authorizer.jwt;
  const [organization, user] = [claims["custom:organization_id"], claims["custom:user_id"]];
  const { inboxId, conversationId } = event.pathParameters;
  const pk = { S: `${organization}#${inboxId}` };
  const member = await dynamodb.send(new GetItemCommand({ TableName, Key: { pk, sk: { S: `MEMBER#${user}` } } }));
  if (!member.Item) return { statusCode: 404, body: "" };
  const now = Date.now();
  const number = (value) => ({ N: String(value) });
  const { Attributes: before } = await dynamodb.send(
    new UpdateItemCommand({
      TableName,
      Key: { pk, sk: { S: conversationId } },
      UpdateExpression:
        "SET lockHolder = :holder, lockExpiresAt = :expires, lockIdleAt = :idle, " +
        "fence = if_not_exists(fence, :zero) + :one, #read = :read REMOVE unreadIn",
      ConditionExpression:
        "attribute_exists(pk) AND (attribute_not_exists(lockHolder) OR lockHolder.id = :me " +
        "OR lockExpiresAt < :skewed OR lockIdleAt < :skewed)",
      ExpressionAttributeNames: { "#read": "read" },
      ExpressionAttributeValues: {
        ":me": { S: user },
        ":holder": member.Item.user,
        ":expires": number(now + 60000),
        ":idle": number(now + 240000),
        ":skewed": number(now - 500),
        ":zero": number(0),
        ":one": number(1),
        ":read": { BOOL: true },
      },
      ReturnValues: "ALL_OLD",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    }),
  );
  const token = Number(before.fence?.N ?? 0) + 1;
  const body = JSON.stringify({ token, expiresAt: new Date(now + 60000).toISOString() });
  return { statusCode: 200, headers: { "content-type": "application/json" }, body };
}

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, method, path: `/2018-06-01/runtime/invocation/${path}`, agent }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => resolve({ id: answer.headers["lambda-runtime-aws-request-id"], text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function main() {
  for (;;) {
    const { id, text } = await call("GET", "next");
    await call("POST", `${id}/response`, JSON.stringify(await handle(JSON.parse(text))));
  }
}

main();

// Measures npm dynamodb-lock-client. Reads commands from standard input and answers each with a line of JSON.
//
//   acquire KEY              {"micros": …}   the time to acquire a free lock, without its release
//   takeover TRIALS LEASE    {"millis": […]} the times from the end of a crashed holder's lease to the acquisition
//   takeover-trusting …      the same with the option trustLocalTime, which ignores clock skew
"use strict";

const { createInterface } = require("node:readline");
const { createRequire } = require("node:module");
const { promisify } = require("node:util");
const installed = createRequire(`${process.env.PEERS}/`);
const { DynamoDBClient } = installed("@aws-sdk/client-dynamodb");
const { DynamoDBDocument } = installed("@aws-sdk/lib-dynamodb");
const { FailOpen } = installed("dynamodb-lock-client");

const [endpoint, lockTable] = process.argv.slice(2);
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
const dynamodb = DynamoDBDocument.from(new DynamoDBClient({ endpoint, region: "us-east-1", credentials }));

function client(leaseDurationMs, trustLocalTime) {
  const lock = new FailOpen({ dynamodb, lockTable, partitionKey: "id", leaseDurationMs, trustLocalTime, owner: "bench" });
  return promisify(lock.acquireLock.bind(lock));
}

const usual = client(60000, false);

async function acquire(key) {
  const begun = process.hrtime.bigint();
  const lock = await usual(key);
  const micros = Number(process.hrtime.bigint() - begun) / 1000;
  await promisify(lock.release.bind(lock))();
  return { micros };
}

async function takeover(trials, lease, trusting) {
  const trial = async (nth) => {
    const key = `takeover-${trusting}-${nth}`;
    await client(lease, trusting)(key); // the holder crashes
    await new Promise((resolve) => setTimeout(resolve, lease));
    const ended = performance.now();
    await client(lease, trusting)(key);
    return performance.now() - ended;
  };
  return { millis: await Promise.all(Array.from({ length: trials }, (_, nth) => trial(nth))) };
}

async function main() {
  for await (const line of createInterface({ input: process.stdin })) {
    const [what, one, two] = line.split(" ");
    const answer =
      what === "acquire" ? await acquire(one) : await takeover(Number(one), Number(two), what === "takeover-trusting");
    console.log(JSON.stringify(answer));
  }
}

main();

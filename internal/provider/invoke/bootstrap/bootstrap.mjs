// Runs a Lambda handler in Node: asks the runtime API for events, and answers.
import { existsSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const env = process.env;
const api = "http://" + env.AWS_LAMBDA_RUNTIME_API + "/2018-06-01/runtime/";

function request(method, path, value) {
  return new Promise((resolve, reject) => {
    const r = http.request(api + path, { method, headers: { "Content-Type": "application/json" } }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve({ headers: answer.headers, body: Buffer.concat(parts).toString() }));
      answer.on("error", reject);
    });
    r.on("error", reject);
    r.end(value === undefined ? undefined : JSON.stringify(value));
  });
}

function failure(error) {
  const known = error instanceof Error;
  return {
    errorMessage: known ? error.message : String(error),
    errorType: known ? error.name : typeof error,
    stackTrace: known && error.stack ? error.stack.split("\n").slice(1) : [],
  };
}

async function load() {
  const dot = env._HANDLER.lastIndexOf(".");
  const [file, name] = [env._HANDLER.slice(0, dot), env._HANDLER.slice(dot + 1)];
  const path = [".mjs", ".js", ".cjs"].map((suffix) => join(env.LAMBDA_TASK_ROOT, file + suffix)).find(existsSync);
  if (path === undefined) throw new Error(`Cannot find module '${file}'`);
  const module = await import(pathToFileURL(path));
  const handler = module[name] ?? module.default?.[name];
  if (typeof handler !== "function") throw new Error(`${env._HANDLER} is undefined or not exported`);
  return handler;
}

function context(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

// A handler answers by a promise, by its callback, or by one of the older functions
// of its context.
function call(handler, event, about) {
  return new Promise((resolve, reject) => {
    const callback = (error, result) => (error ? reject(error) : resolve(result));
    about.succeed = resolve;
    about.fail = reject;
    about.done = callback;
    const result = handler(event, about, callback);
    if (typeof result?.then === "function") result.then(resolve, reject);
    else if (handler.length < 2) resolve(result);
  });
}

let handler;
try {
  handler = await load();
} catch (error) {
  console.error(error);
  await request("POST", "init/error", failure(error));
  process.exit(1);
}
for (;;) {
  const { headers, body } = await request("GET", "invocation/next");
  const about = context(headers);
  let path = "response";
  let answer;
  try {
    answer = (await call(handler, JSON.parse(body), about)) ?? null;
  } catch (error) {
    console.error(error);
    [path, answer] = ["error", failure(error)];
  }
  await request("POST", `invocation/${about.awsRequestId}/${path}`, answer);
}

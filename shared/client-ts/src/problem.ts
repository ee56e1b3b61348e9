import type { components } from "./schema.js";

type Schemas = components["schemas"];

/** An error of the API: problem details (RFC 9457) with the data of its `code`. */
export type Problem = Extract<Schemas[keyof Schemas], { code: string; status: number; requestId: string }>;

/** An error of API Gateway, which has no code of its own. `status` 401 means that the token was refused. */
export interface GatewayProblem {
  code: "gateway_error";
  type: "about:blank";
  title: string;
  status: number;
  detail: string;
  requestId: string;
}

export type ProblemCode = (Problem | GatewayProblem)["code"];

interface ErrorOfResponse extends Error {
  /** Seconds after which a retry can succeed. `undefined` if the API does not say. */
  readonly retryAfterSeconds: number | undefined;
}

type ErrorOf<Body> = Body extends unknown ? ErrorOfResponse & Readonly<Body> : never;

/**
 * An error that the API returned. `code` tells the errors apart and gives each its own data:
 *
 * ```ts
 * if (error instanceof ProblemError && error.code === "locked") show(`${error.holder.name} is responding`);
 * ```
 *
 * `detail` is written for users. `requestId` identifies the request for the operator. Newer versions of the API
 * can have codes that this version of the client does not know.
 */
export type ProblemError = ErrorOf<Problem | GatewayProblem>;

class ResponseError extends Error {
  override readonly name = "ProblemError";

  constructor(
    body: Problem | GatewayProblem,
    readonly retryAfterSeconds: number | undefined,
  ) {
    super(body.detail);
    Object.assign(this, body);
  }
}

export const ProblemError = ResponseError as unknown as {
  new (body: Problem | GatewayProblem, retryAfterSeconds: number | undefined): ProblemError;
  readonly prototype: ProblemError;
};

/** The API did not answer, also after retries. `cause` has the error of `fetch`. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** Reads the error of a response with a status of 400 or more. */
export async function readProblem(response: Response): Promise<ProblemError> {
  const body: unknown = await response.json().catch(() => undefined);
  const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  return new ProblemError(isProblem(body) ? body : gatewayProblem(response, body), Number.isNaN(seconds) ? undefined : seconds);
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "code" in body && "detail" in body;
}

function gatewayProblem(response: Response, body: unknown): GatewayProblem {
  const message = typeof body === "object" && body !== null && "message" in body ? String(body.message) : "";
  const title = response.statusText || `Status ${response.status}`;
  return {
    code: "gateway_error",
    type: "about:blank",
    title,
    status: response.status,
    detail: message || title,
    requestId: response.headers.get("x-request-id") ?? response.headers.get("apigw-requestid") ?? "",
  };
}

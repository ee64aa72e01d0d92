/** The state in object storage, written only where nobody else has written since it was read. */

import { AwsClient } from "aws4fetch";

import { clockFrom } from "./clock.js";
import { AnswerError, noAnswer } from "./http.js";

const KEY = "crash-alerts.json";
const SECONDS = 20;
const ATTEMPTS = 3;
const TAKEN = new Set([409, 412]);

/** Somebody else has written the state. */
export class ConflictError extends Error {}

export class Storage {
  /** @type {string | undefined} of what was read or written last; undefined: there is no such object */
  #etag;
  /** @type {import("./clock.js").Reckoning | undefined} by its first answer */
  #reckoning;

  /** @param {import("./settings.js").Access} access */
  constructor({ accessKey, secretKey, region, storageUrl, bucket }) {
    this.region = region;
    this.client = new AwsClient({ accessKeyId: accessKey, secretAccessKey: secretKey, service: "s3", region, retries: ATTEMPTS });
    this.bucket = `${storageUrl.replace(/\/+$/, "")}/${bucket}`;
  }

  /** @returns {Promise<import("./state.js").State | undefined>} undefined: there is none yet */
  async read() {
    let response = await this.#ask("read", `${this.bucket}/${KEY}`, { method: "GET" });
    // What a wrong clock has signed is refused.
    if (response.status === 403 && this.reckoning.ahead !== 0) {
      await response.body?.cancel();
      response = await this.#ask("read", `${this.bucket}/${KEY}`, { method: "GET" });
    }
    this.#etag = undefined;
    if (response.status === 404) return undefined;
    if (!response.ok) throw await refused("read", response);
    const state = await response.json().catch(() => undefined);
    if (state?.format !== 1) throw new AnswerError("Object storage", `${KEY} is not of this version of the job`);
    this.#etag = response.headers.get("ETag") ?? undefined;
    return state;
  }

  /**
   * Throws a `ConflictError` when somebody else has written since.
   *
   * @param {import("./state.js").State} state
   */
  async write(state) {
    const condition = this.#etag === undefined ? { "If-None-Match": "*" } : { "If-Match": this.#etag };
    const init = { method: "PUT", headers: { "Content-Type": "application/json", ...condition }, body: JSON.stringify(state) };
    let response = await this.#ask("write", `${this.bucket}/${KEY}`, init);
    if (response.status === 404 && this.#etag === undefined) {
      await this.#makeBucket();
      response = await this.#ask("write", `${this.bucket}/${KEY}`, init);
    }
    if (TAKEN.has(response.status)) throw new ConflictError("somebody else has written the state");
    if (!response.ok) throw await refused("write", response);
    await response.body?.cancel();
    this.#etag = response.headers.get("ETag") ?? undefined;
  }

  /** What time it is; after `read`. */
  get reckoning() {
    if (this.#reckoning === undefined) throw new AnswerError("Object storage", "its answer has no date");
    return this.#reckoning;
  }

  async #makeBucket() {
    const body = `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${this.region}</LocationConstraint></CreateBucketConfiguration>`;
    const response = await this.#ask("make the bucket", this.bucket, { method: "PUT", body });
    // 409: two runs make it at the same time. One that belongs to somebody else refuses what is written next.
    if (!response.ok && response.status !== 409) throw await refused("make the bucket", response);
    await response.body?.cancel();
  }

  /**
   * @param {string} what
   * @param {string} url
   * @param {RequestInit} init
   */
  async #ask(what, url, init) {
    const asked = Date.now();
    try {
      const signal = AbortSignal.timeout(SECONDS * 1000);
      const now = new Date(this.#reckoning?.clock.now() ?? asked);
      const datetime = now.toISOString().replace(/[:-]|\.\d{3}/g, "");
      const response = await this.client.fetch(url, { ...init, signal, aws: { datetime } });
      this.#reckoning ??= clockFrom(response.headers.get("Date"), asked, Date.now());
      return response;
    } catch (error) {
      throw noAnswer(`Object storage (${what})`, error);
    }
  }
}

/**
 * @param {string} what
 * @param {Response} response
 */
async function refused(what, response) {
  const code = /<Code>([^<]{1,100})<\/Code>/.exec(await response.text())?.[1] ?? "";
  return new AnswerError(`Object storage (${what})`, `${response.status} ${code}`.trim());
}

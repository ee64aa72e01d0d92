/** Stores the state in object storage, with conditional writes to detect concurrent changes. */

import { AwsClient } from "aws4fetch";

import { clockFrom } from "./clock.js";
import { AnswerError, noAnswer } from "./http.js";

const KEY = "crash-alerts.json";
const SECONDS = 20;
const ATTEMPTS = 3;
const TAKEN = new Set([409, 412]);

/** Another run has written the state. */
export class ConflictError extends Error {}

export class Storage {
  /** @type {string | undefined} of the last read or written version; undefined if the object does not exist */
  #etag;
  /** @type {import("./clock.js").Reckoning | undefined} from the first response */
  #reckoning;

  /** @param {import("./settings.js").Access} access */
  constructor({ accessKey, secretKey, region, storageUrl, bucket }) {
    this.region = region;
    this.client = new AwsClient({ accessKeyId: accessKey, secretAccessKey: secretKey, service: "s3", region, retries: ATTEMPTS });
    this.bucket = `${storageUrl.replace(/\/+$/, "")}/${bucket}`;
  }

  /** @returns {Promise<import("./state.js").State | undefined>} undefined if there is none yet */
  async read() {
    let response = await this.#ask("read", `${this.bucket}/${KEY}`, { method: "GET" });
    // Requests that are signed with a wrong clock are rejected, so retry with the corrected one.
    if (response.status === 403 && this.reckoning.ahead !== 0) {
      await response.body?.cancel();
      response = await this.#ask("read", `${this.bucket}/${KEY}`, { method: "GET" });
    }
    this.#etag = undefined;
    if (response.status === 404) return undefined;
    if (!response.ok) throw await refused("read", response);
    const state = await response.json().catch(() => undefined);
    if (state?.format !== 1) throw new AnswerError("Object storage", `${KEY} was written by an incompatible version of the job`);
    this.#etag = response.headers.get("ETag") ?? undefined;
    return state;
  }

  /**
   * Throws a `ConflictError` if another run has written since.
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
    if (TAKEN.has(response.status)) throw new ConflictError("another run has written the state");
    if (!response.ok) throw await refused("write", response);
    await response.body?.cancel();
    this.#etag = response.headers.get("ETag") ?? undefined;
  }

  /** The clock of the run; available after `read`. */
  get reckoning() {
    if (this.#reckoning === undefined) throw new AnswerError("Object storage", "its response has no date");
    return this.#reckoning;
  }

  async #makeBucket() {
    const body = `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${this.region}</LocationConstraint></CreateBucketConfiguration>`;
    const response = await this.#ask("create the bucket", this.bucket, { method: "PUT", body });
    // 409: a concurrent run created it. If it belongs to another account, the next write fails.
    if (!response.ok && response.status !== 409) throw await refused("create the bucket", response);
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

/**
 * HTTP requests with timeouts and retries. Errors name the service, never a URL or key, which may be secret.
 */

import { setTimeout as wait } from "node:timers/promises";

const PAUSES_MILLISECONDS = [500, 2000];
const LONGEST_REASON = 300;

/** A service did not respond as expected. */
export class AnswerError extends Error {
  /**
   * @param {string} who
   * @param {string} reason
   */
  constructor(who, reason) {
    super(`${who}: ${reason}`);
    this.name = "AnswerError";
  }
}

/**
 * Requests JSON. Retries if there is no response, and after 429 and 5xx.
 *
 * @param {string} who start of error messages: the service's name, or what failed
 * @param {URL} url
 * @param {Readonly<Record<string, string>>} headers
 * @param {number} seconds timeout of an attempt
 * @returns {Promise<any>}
 */
export async function getJson(who, url, headers, seconds) {
  for (let attempt = 0; ; attempt++) {
    const pause = PAUSES_MILLISECONDS[attempt];
    try {
      const response = await fetch(url, { headers, signal: AbortSignal.timeout(seconds * 1000), redirect: "error" });
      if (response.ok) return await response.json();
      const reason = `${response.status} ${(await response.text()).slice(0, LONGEST_REASON)}`;
      if (pause === undefined || (response.status < 500 && response.status !== 429)) throw new AnswerError(who, reason);
    } catch (error) {
      if (error instanceof AnswerError || pause === undefined) throw error instanceof AnswerError ? error : noAnswer(who, error);
    }
    await wait(pause);
  }
}

/**
 * @param {string} who
 * @param {unknown} error what `fetch` threw
 * @returns {AnswerError}
 */
export function noAnswer(who, error) {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined;
  return new AnswerError(who, `no response (${code ?? (cause instanceof Error ? cause.name : "unknown reason")})`);
}

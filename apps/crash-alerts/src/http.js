/**
 * One way to ask over HTTP: with a time limit, a few attempts, and errors that name who was asked, never an address
 * or a key: both may be secret.
 */

import { setTimeout as wait } from "node:timers/promises";

const PAUSES_MILLISECONDS = [500, 2000];
const LONGEST_REASON = 300;

/** Somebody who was asked did not answer as expected. */
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
 * A JSON answer. Asked again after no answer, 429 and 5xx.
 *
 * @param {string} who for messages
 * @param {URL} url
 * @param {Readonly<Record<string, string>>} headers
 * @param {number} seconds how long one answer may take
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
  return new AnswerError(who, `no answer (${code ?? (cause instanceof Error ? cause.name : "unknown reason")})`);
}

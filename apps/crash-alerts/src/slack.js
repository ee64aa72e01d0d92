import { setTimeout as wait } from "node:timers/promises";

import { AnswerError, noAnswer } from "./http.js";
import { plainMessage } from "./message.js";

const SECONDS = 10;
const PAUSES_SECONDS = [1, 4];
const LONGEST_PAUSE_SECONDS = 30;

/**
 * Posts a message to a Slack webhook. Throws an `AnswerError` if Slack has not accepted it and it should be retried.
 *
 * @param {string} webhook its URL, which is secret
 * @param {{ text: string, blocks?: object[] }} message
 * @returns {Promise<"taken" | "refused">} `refused`: Slack will never accept this message
 */
export async function post(webhook, message) {
  for (let attempt = 0; ; attempt++) {
    const { status, pause, reason } = await tryToPost(webhook, message);
    if (status === 200) return "taken";
    if (status === 400 && message.blocks !== undefined) return post(webhook, plainMessage(message));
    if (status === 400 && reason.includes("invalid_payload")) return "refused";
    const seconds = PAUSES_SECONDS[attempt];
    const final = status !== 0 && status !== 429 && status < 500;
    if (final || seconds === undefined) throw new AnswerError("Slack", reason);
    await wait(Math.min(pause ?? seconds, LONGEST_PAUSE_SECONDS) * 1000);
  }
}

/**
 * @param {string} webhook
 * @param {object} message
 * @returns {Promise<{ status: number, pause?: number, reason: string }>} status 0: no response
 */
async function tryToPost(webhook, message) {
  try {
    const response = await fetch(webhook, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(message),
      redirect: "error",
      signal: AbortSignal.timeout(SECONDS * 1000),
    });
    const reason = `${response.status} ${(await response.text()).slice(0, 100)}`;
    const after = Number(response.headers.get("Retry-After") ?? NaN);
    return { status: response.status, reason, ...(Number.isFinite(after) && { pause: after }) };
  } catch (error) {
    return { status: 0, reason: noAnswer("", error).message.slice(2) };
  }
}

/**
 * The state that a run saves for the next one: a JSON object of limited size.
 *
 * Its strings are masked. `snu alerts` reads it, so ops/alerts/state.py has the same schema.
 */

import { TOLERANCE } from "./clock.js";

/**
 * A crash that was reported, by its fingerprint.
 *
 * @typedef {object} Known
 * @property {number} first time of its first occurrence
 * @property {number} announced time of the last decision to report it
 * @property {number} more number of occurrences since then
 * @property {string} app
 * @property {string} title
 */

/**
 * A message that Slack has not acknowledged yet.
 *
 * @typedef {object} Message
 * @property {"crash" | "more" | "loop" | "status" | "gap" | "left-out"} kind
 * @property {string} fingerprint
 * @property {string} app
 * @property {string} title
 * @property {string} version
 * @property {number} count
 * @property {number} since
 * @property {number} until
 * @property {string} detail first lines of the stack trace, or other details
 * @property {string} containerId empty if it does not concern a single container
 * @property {Record<string, number>} [apps] number of crashes by app, for `left-out`
 */

/**
 * @typedef {object} State
 * @property {1} format
 * @property {string} cursor nanoseconds since 1970 up to which the logs were read
 * @property {Record<string, Known>} known
 * @property {Message[]} outbox
 * @property {Record<string, Record<string, [number, number]>>} ends numbers of processes that started and that ended
 *   with an error, by container and minute
 * @property {Record<string, string>} errors fingerprint of the current error, by container
 * @property {{ run: string, until: number } | null} lease the active run
 * @property {Heartbeat} heartbeat
 */

/**
 * Times in milliseconds since 1970, or null for never.
 *
 * @typedef {object} Heartbeat
 * @property {number | null} lastRun
 * @property {number | null} lastGoodRun last run that read all logs and posted all messages
 * @property {{ time: number, message: string } | null} lastError error of the last run; null if it succeeded
 * @property {number} intervalMinutes
 */

const MILLION = 1_000_000n;
const MINUTE = 60_000;

/**
 * The state before the first run, which starts at its own interval and ignores earlier logs.
 *
 * @param {number} since milliseconds
 * @returns {State}
 */
export function newState(since) {
  return {
    format: 1,
    cursor: String(nanoseconds(since)),
    known: {},
    outbox: [],
    ends: {},
    errors: {},
    lease: null,
    heartbeat: { lastRun: null, lastGoodRun: null, lastError: null, intervalMinutes: 0 },
  };
}

/**
 * Removes future times, which a run with a wrong clock may have saved and which would block the next runs. The cursor
 * is checked when the logs are read.
 *
 * @param {State} state is modified
 * @param {number} now
 */
export function forgetFuture({ known, ends, heartbeat }, now) {
  for (const crash of Object.values(known)) {
    crash.first = Math.min(crash.first, now);
    crash.announced = Math.min(crash.announced, now);
  }
  const latest = Math.floor((now + TOLERANCE) / MINUTE);
  for (const minutes of Object.values(ends)) {
    for (const minute of Object.keys(minutes)) if (Number(minute) > latest) delete minutes[minute];
  }
  if ((heartbeat.lastGoodRun ?? 0) > now + TOLERANCE) heartbeat.lastGoodRun = null;
}

/** @param {number} milliseconds */
export function nanoseconds(milliseconds) {
  return BigInt(Math.floor(milliseconds)) * MILLION;
}

/** @param {bigint} time nanoseconds */
export function milliseconds(time) {
  return Number(time / MILLION);
}

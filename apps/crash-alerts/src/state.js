/**
 * What a run leaves to the next one: one JSON object, small whatever has happened.
 *
 * Texts in it are masked already. `snu alerts` reads it: ops/alerts/state.py has the same shape.
 */

import { TOLERANCE } from "./clock.js";

/**
 * A crash that was reported, by its fingerprint.
 *
 * @typedef {object} Known
 * @property {number} first when it was seen first
 * @property {number} announced when it was decided to tell of it last
 * @property {number} more how often it was seen since
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
 * @property {string} detail first lines of the stack, or what else there is to say
 * @property {string} containerId empty where it is of no single one
 * @property {Record<string, number>} [apps] of `left-out`: by app, how many crashes
 */

/**
 * @typedef {object} State
 * @property {1} format
 * @property {string} cursor nanoseconds since 1970: all before was read
 * @property {Record<string, Known>} known
 * @property {Message[]} outbox
 * @property {Record<string, Record<string, [number, number]>>} ends by container and minute: processes that started,
 *   and that ended by an error
 * @property {Record<string, string>} errors by container: the fingerprint of the error that it is in
 * @property {{ run: string, until: number } | null} lease who works on it
 * @property {Heartbeat} heartbeat
 */

/**
 * Times in milliseconds since 1970; null: never.
 *
 * @typedef {object} Heartbeat
 * @property {number | null} lastRun
 * @property {number | null} lastGoodRun all logs read, all messages with Slack
 * @property {{ time: number, message: string } | null} lastError of the last run; null where it was good
 * @property {number} intervalMinutes
 */

const MILLION = 1_000_000n;
const MINUTE = 60_000;

/**
 * The state before the first run: it watches from its own interval on, not the past.
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
 * Without times that have not come yet, which a run with a wrong clock has left: they would keep the next runs from
 * working, reading and telling for as long. The cursor is looked at where the logs are read.
 *
 * @param {State} state is changed
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

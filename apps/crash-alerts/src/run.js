/**
 * A run: acquire the lease, read the logs since the last run, decide, post, and save the state for the next run.
 *
 * Messages are saved before they are posted, and removed once Slack has accepted them. So no message is lost if a run
 * is interrupted, and one is duplicated only if that happens between Slack's response and the next write.
 */

import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";

import { listContainers } from "./containers.js";
import { TOLERANCE } from "./clock.js";
import { WORDS, recognize } from "./crashes.js";
import { Decisions, MOST_MESSAGES } from "./decide.js";
import { AnswerError } from "./http.js";
import { readLines } from "./loki.js";
import { slackMessage } from "./message.js";
import { post } from "./slack.js";
import { forgetFuture, milliseconds, nanoseconds, newState } from "./state.js";
import { ConflictError, Storage } from "./storage.js";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const WINDOW = nanoseconds(15 * MINUTE);
const LEASE = 4 * MINUTE;
/** Interval of renewals; every write renews the lease too. */
const LEASE_RENEWAL = MINUTE;
/** A run that takes longer leaves the rest to the next run. */
const LONGEST_RUN = 3 * MINUTE;
const PAUSE_BETWEEN_MESSAGES = 1000;
const LONGEST_ERROR = 500;
const NOT_KEPT = "Logs of this period were not read and are no longer available";
const FROM_THE_FUTURE =
  "Crashes shortly before this time may have been missed: a run with a wrong clock marked future logs as read";

/**
 * @typedef {object} Job
 * @property {import("./settings.js").JobSettings} settings
 * @property {import("./settings.js").Access} access
 * @property {string} webhook
 * @property {import("./mask.js").Mask} mask
 * @property {import("@snu/service").Log} log
 */

/** The outcome of a run. @typedef {"done" | "held"} Outcome `held`: another run is active */

/**
 * @param {Job} job
 * @returns {Promise<Outcome>}
 */
export async function run(job) {
  const lease = new Lease(new Storage(job.access));
  const state = await lease.take(job.settings);
  const { clock, ahead } = lease.storage.reckoning;
  if (ahead !== 0) {
    const text = `This machine's clock is ${describe(ahead)} object storage's, which this run uses instead`;
    job.log.warn("wrong-clock", text, { milliseconds: ahead });
  }
  if (state === undefined) return "held";
  let work = new Decisions(state, clock.now(), job.mask);
  try {
    const read = await readLogs(job, work, (next) => lease.save((work = next).state));
    work = read.work;
    await lease.save(work.state);
    const posted = await postMessages(job, work.state, lease);
    if (read.failure !== undefined) throw read.failure;
    const { heartbeat } = work.state;
    if (read.complete && work.state.outbox.length === 0) heartbeat.lastGoodRun = clock.now();
    heartbeat.lastError = null;
    await lease.release(work.state);
    job.log.info("run", `Read ${read.lines} lines, posted ${posted} messages`, { lines: read.lines, posted });
    return "done";
  } catch (error) {
    if (!(error instanceof ConflictError)) await leaveError(work.state, lease, job, error);
    throw error;
  }
}

/**
 * @param {import("./state.js").State} state
 * @param {Lease} lease
 * @param {Job} job
 * @param {unknown} error
 */
async function leaveError(state, lease, job, error) {
  const message = job.mask(error instanceof Error ? error.message : "an unknown error", LONGEST_ERROR);
  state.heartbeat.lastError = { time: lease.storage.reckoning.clock.now(), message };
  // If object storage is not available, the error cannot be saved, but the missing heartbeat shows it.
  await lease.release(state).catch(() => undefined);
}

/**
 * Reads the logs in windows, each of which counts only once it is read completely. Returns a failure instead of
 * throwing it, so that what was found before it is still reported.
 *
 * @param {Job} job
 * @param {Decisions} before
 * @param {(work: Decisions) => Promise<void>} save
 * @returns {Promise<{ work: Decisions, lines: number, complete: boolean, failure?: AnswerError }>}
 */
async function readLogs({ settings, access }, before, save) {
  const deadline = performance.now() + LONGEST_RUN;
  const end = nanoseconds(before.now - settings.SETTLE_SECONDS * 1000);
  const kept = nanoseconds(before.now - Number(access.retentionDays) * DAY);
  const read = { work: before, lines: 0, complete: false };
  let saved = performance.now();
  try {
    const containers = await listContainers(access, settings.NAMESPACE_ID, settings.ENVIRONMENT);
    before.statuses(containers);
    const byId = new Map(containers.map((container) => [container.id, container]));
    const reached = BigInt(before.state.cursor);
    if (reached < kept) before.gap(milliseconds(reached), milliseconds(kept), NOT_KEPT);
    if (reached > nanoseconds(before.now + TOLERANCE)) {
      const since = sinceInterval(before.now, settings);
      before.gap(since, since, FROM_THE_FUTURE);
    }
    let cursor = BigInt(before.state.cursor);
    while (cursor < end && performance.now() < deadline) {
      const next = cursor + WINDOW < end ? cursor + WINDOW : end;
      const window = read.work.fork();
      for await (const page of readLines(access, [...byId.keys()], WORDS, cursor, next)) {
        read.lines += page.length;
        for (const line of page) take(window, byId.get(line.containerId), line);
        if (performance.now() - saved < LEASE_RENEWAL) continue;
        await save(read.work);
        saved = performance.now();
      }
      window.state.cursor = String((cursor = next));
      read.work = window;
      if (cursor < end) await save(window);
      saved = performance.now();
    }
    read.complete = cursor >= end;
    read.work.loops(containers);
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error;
    return { ...read, failure: error };
  } finally {
    read.work.hours();
  }
  return read;
}

/**
 * @param {Decisions} work
 * @param {import("./containers.js").Container | undefined} container
 * @param {import("./loki.js").Line} line
 */
function take(work, container, line) {
  const found = container === undefined ? undefined : recognize(line.text);
  if (container === undefined || found === undefined) return;
  if (found.kind === "ended") work.ended(container, found, milliseconds(line.time));
  else work.started(container, milliseconds(line.time));
}

/**
 * Posts the waiting messages, oldest first; those beyond the limit of a run are left to the next run.
 *
 * @param {Job} job
 * @param {import("./state.js").State} state
 * @param {Lease} lease
 * @returns {Promise<number>}
 */
async function postMessages({ settings, webhook, log }, state, lease) {
  let posted = 0;
  for (const message of state.outbox.slice(0, MOST_MESSAGES)) {
    if (posted > 0) await wait(PAUSE_BETWEEN_MESSAGES);
    await lease.require(state);
    const answer = await post(webhook, slackMessage(settings.ENVIRONMENT, message));
    if (answer === "refused") log.warn("refused", "Slack rejected the message", { fingerprint: message.fingerprint });
    state.outbox = state.outbox.filter((other) => other !== message);
    await lease.save(state);
    posted++;
  }
  return posted;
}

/**
 * The start of a run that does not know how far the logs were read: one interval ago.
 *
 * @param {number} now
 * @param {import("./settings.js").JobSettings} settings
 */
function sinceInterval(now, { INTERVAL_MINUTES, SETTLE_SECONDS }) {
  return now - INTERVAL_MINUTES * MINUTE - SETTLE_SECONDS * 1000;
}

/** @param {number} ahead milliseconds */
function describe(ahead) {
  return `${Math.round(Math.abs(ahead) / 1000)} seconds ${ahead > 0 ? "ahead of" : "behind"}`;
}

/** Ensures that only one run is active: the last to have written the lease to the state. */
class Lease {
  #run = randomUUID();
  #until = 0;

  /** @param {Storage} storage */
  constructor(storage) {
    this.storage = storage;
  }

  /**
   * @param {import("./settings.js").JobSettings} settings
   * @returns {Promise<import("./state.js").State | undefined>} undefined if another run holds the lease
   */
  async take(settings) {
    const found = await this.storage.read();
    const now = this.storage.reckoning.clock.now();
    const state = found ?? newState(sinceInterval(now, settings));
    // A lease that ends later than possible was written with a wrong clock and is ignored.
    if (state.lease !== null && state.lease.until > now && state.lease.until <= now + LEASE + TOLERANCE) return undefined;
    forgetFuture(state, now);
    state.heartbeat.lastRun = now;
    state.heartbeat.intervalMinutes = settings.INTERVAL_MINUTES;
    try {
      await this.save(state);
    } catch (error) {
      if (error instanceof ConflictError) return undefined;
      throw error;
    }
    return state;
  }

  /**
   * Throws a `ConflictError` when the lease was lost.
   *
   * @param {import("./state.js").State} state
   */
  async save(state) {
    this.#until = this.storage.reckoning.clock.now() + LEASE;
    state.lease = { run: this.#run, until: this.#until };
    await this.storage.write(state);
  }

  /**
   * Renews a lease that is about to expire; called before irreversible operations. Throws a `ConflictError` if another
   * run has acquired the lease, because this process was suspended.
   *
   * @param {import("./state.js").State} state
   */
  async require(state) {
    if (this.storage.reckoning.clock.now() > this.#until - LEASE_RENEWAL) await this.save(state);
  }

  /** @param {import("./state.js").State} state */
  async release(state) {
    state.lease = null;
    await this.storage.write(state);
  }
}

/**
 * Decides which messages to send: one per crash, a count of repetitions per hour, and a limited number in any case.
 * Updates the given state; sends nothing.
 */

import { digest, fingerprintOf, normal } from "./fingerprint.js";
import { outgoing } from "./outgoing.js";
import { nanoseconds } from "./state.js";

const HOUR = 3_600_000;
const MINUTE = 60_000;
/** Maximum number of messages of a run; the last one may summarize any number of crashes. */
export const MOST_MESSAGES = 10;
const MOST_WAITING = 100;
const MOST_KNOWN = 500;
const FORGOTTEN_AFTER = 24 * HOUR;
const LOOP_MINUTES = 10;
const LOOP_ENDS = 5;
const STACK_LINES = 12;
const LONGEST_STACK = 16_000;

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Message} Message
 * @typedef {import("./containers.js").Container} Container
 */

export class Decisions {
  /** New messages of this run. */
  #told = 0;

  /**
   * @param {State} state
   * @param {number} now time of the run in milliseconds, not of the log lines: an outage of days ends with one message
   * @param {import("./mask.js").Mask} mask
   */
  constructor(state, now, mask) {
    this.state = state;
    this.now = now;
    this.mask = mask;
  }

  /**
   * Copies the decisions and their state, to be kept only if a window is read completely.
   *
   * @returns {Decisions}
   */
  fork() {
    const copy = new Decisions(structuredClone(this.state), this.now, this.mask);
    copy.#told = this.#told;
    return copy;
  }

  /**
   * @param {Container} container
   * @param {import("./crashes.js").Ended} ended
   * @param {number} time
   */
  ended(container, ended, time) {
    this.#remember(container, time, 1);
    const how = { crash: "crashed", configuration: "is not configured", "start-failed": "failed to start" }[ended.event];
    this.#saw(fingerprintOf(container.app, ended), time, () => ({
      kind: "crash",
      app: container.app,
      title: `${how ?? `ended (${ended.event})`}: ${ended.message}`,
      version: ended.version,
      detail: firstLines(ended.stack),
      containerId: container.id,
    }));
  }

  /**
   * @param {Container} container
   * @param {number} time
   */
  started(container, time) {
    this.#remember(container, time, 0);
  }

  /**
   * Detects restart loops, once all lines are read. Starts without errors count only if there are more than a
   * deployment or scaling up would cause.
   *
   * @param {readonly Container[]} containers
   */
  loops(containers) {
    for (const container of containers) {
      const minutes = Object.entries(this.state.ends[container.id] ?? {});
      const [starts, ends] = minutes.reduce(([a, b], [, [more, ended]]) => [a + more, b + ended], [0, 0]);
      if (ends < LOOP_ENDS && starts < container.maxScale + LOOP_ENDS) continue;
      const since = Math.min(...minutes.map(([minute]) => Number(minute))) * MINUTE;
      this.#saw(digest(["loop", container.id]), this.now, () => ({
        kind: "loop",
        app: container.app,
        title: `restarts in a loop: ${starts} starts and ${ends} exits with an error within ${LOOP_MINUTES} minutes`,
        version: "",
        detail: "",
        containerId: container.id,
        since,
      }));
      delete this.state.ends[container.id];
    }
  }

  /**
   * Detects containers that the platform reports in error, such as after a failed deployment; reported once.
   *
   * @param {readonly Container[]} containers
   */
  statuses(containers) {
    const { errors } = this.state;
    for (const container of containers) {
      if (container.status !== "error") continue;
      const fingerprint = digest(["status", container.id, normal(container.problem)]);
      if (errors[container.id] === fingerprint) continue;
      errors[container.id] = fingerprint;
      this.#saw(fingerprint, this.now, () => ({
        kind: "status",
        app: container.app,
        title: `is in error: ${container.problem || "the platform gives no reason"}`,
        version: "",
        detail: [
          `image ${container.image}`,
          "After a failed deployment, the previous version continues to run for at most 24 hours. After failed liveness " +
            "probes, the container gets no more requests and is not restarted.",
        ].join("\n"),
        containerId: container.id,
      }));
    }
    const inError = new Set(containers.filter(({ status }) => status === "error").map(({ id }) => id));
    for (const id of Object.keys(errors)) if (!inError.has(id)) delete errors[id];
  }

  /**
   * Reports logs that were possibly missed, and moves the cursor past them.
   *
   * @param {number} since
   * @param {number} until
   * @param {string} why
   */
  gap(since, until, why) {
    this.state.cursor = String(nanoseconds(until));
    this.#tell({
      kind: "gap",
      fingerprint: digest(["gap", String(since)]),
      app: "",
      title: why,
      version: "",
      count: 1,
      since,
      until,
      detail: "",
      containerId: "",
    });
  }

  /** Reports repetitions of crashes whose hour has ended, and removes outdated entries of the state. */
  hours() {
    const { known, ends } = this.state;
    const waiting = new Set(this.state.outbox.map(({ fingerprint }) => fingerprint));
    for (const [fingerprint, crash] of Object.entries(known)) {
      const { app, title, announced, more } = crash;
      if (more > 0 && announced + HOUR <= this.now && !waiting.has(fingerprint)) {
        if (this.#told >= MOST_MESSAGES - 1) break; // left to the next run
        const message = { version: "", count: more, since: announced, until: this.now, detail: "", containerId: "" };
        this.#tell({ kind: "more", fingerprint, app, title, ...message });
        Object.assign(crash, { announced: this.now, more: 0 });
      } else if (announced + FORGOTTEN_AFTER < this.now && !waiting.has(fingerprint)) {
        delete known[fingerprint];
      }
    }
    const oldest = Math.floor(this.now / MINUTE) - LOOP_MINUTES;
    for (const [id, minutes] of Object.entries(ends)) {
      for (const minute of Object.keys(minutes)) if (Number(minute) < oldest) delete minutes[minute];
      if (Object.keys(minutes).length === 0) delete ends[id];
    }
  }

  /**
   * @param {Container} container
   * @param {number} time
   * @param {0 | 1} what 0: started, 1: ended with an error
   */
  #remember({ id }, time, what) {
    const minute = Math.floor(time / MINUTE);
    if (minute < Math.floor(this.now / MINUTE) - LOOP_MINUTES) return;
    const counts = ((this.state.ends[id] ??= {})[minute] ??= [0, 0]);
    counts[what]++;
  }

  /**
   * @param {string} fingerprint
   * @param {number} time
   * @param {() => Omit<Message, "fingerprint" | "count" | "since" | "until"> & { since?: number }} describe
   */
  #saw(fingerprint, time, describe) {
    const { known, outbox } = this.state;
    const waiting = outbox.find((message) => message.fingerprint === fingerprint);
    if (waiting !== undefined) {
      waiting.count++;
      waiting.since = Math.min(waiting.since, time);
      waiting.until = Math.max(waiting.until, time);
      return;
    }
    const before = known[fingerprint];
    if (before !== undefined && before.announced + HOUR > this.now) {
      before.more++;
      return;
    }
    const described = describe();
    const count = 1 + (before?.more ?? 0);
    const since = described.since ?? (before?.more ? before.announced : time);
    if (this.#told >= MOST_MESSAGES - 1 || outbox.length >= MOST_WAITING) {
      this.#leaveOut(described.app, count, since, time);
      return;
    }
    const { app, title } = this.#tell({ ...described, fingerprint, count, since, until: time });
    known[fingerprint] = { first: before?.first ?? since, announced: this.now, more: 0, app, title };
    this.#forget();
  }

  /**
   * @param {Message} message
   * @returns {Message} the masked message
   */
  #tell(message) {
    this.#told++;
    const told = outgoing(message, this.mask);
    this.state.outbox.push(told);
    return told;
  }

  /**
   * Summarizes all crashes beyond the limit of a run in one message.
   *
   * @param {string} app
   * @param {number} count
   * @param {number} since
   * @param {number} until
   */
  #leaveOut(app, count, since, until) {
    const { outbox } = this.state;
    let left = outbox.find(({ kind }) => kind === "left-out");
    if (left === undefined) {
      left = {
        kind: "left-out",
        fingerprint: "left-out",
        app: "",
        title: "Too many crashes to report individually",
        version: "",
        count: 0,
        since,
        until,
        detail: "",
        containerId: "",
        apps: {},
      };
      outbox.push(left);
    }
    const apps = { ...left.apps, [app]: (left.apps?.[app] ?? 0) + count };
    const times = { since: Math.min(left.since, since), until: Math.max(left.until, until) };
    Object.assign(left, outgoing({ ...left, ...times, apps, count: left.count + count }, this.mask));
  }

  #forget() {
    const { known } = this.state;
    const names = Object.keys(known);
    if (names.length <= MOST_KNOWN) return;
    const oldest = names.reduce((a, b) => ((known[a]?.announced ?? 0) <= (known[b]?.announced ?? 0) ? a : b));
    delete known[oldest];
  }
}

/** @param {string} stack */
function firstLines(stack) {
  return stack.slice(0, LONGEST_STACK).split("\n", STACK_LINES).join("\n");
}

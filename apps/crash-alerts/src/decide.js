/**
 * From what was seen to what is told: one message for one crash, a count for the same one within the hour, few
 * messages whatever happens. Changes the state that it is given; nothing is sent here.
 */

import { digest, fingerprintOf, normal } from "./fingerprint.js";
import { outgoing } from "./outgoing.js";
import { nanoseconds } from "./state.js";

const HOUR = 3_600_000;
const MINUTE = 60_000;
/** Messages of one run; the last one may stand for any number of crashes. */
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
   * @param {number} now milliseconds: of the run, not of the lines, so that an outage of days ends with one message
   * @param {import("./mask.js").Mask} mask
   */
  constructor(state, now, mask) {
    this.state = state;
    this.now = now;
    this.mask = mask;
  }

  /**
   * The same decisions on a copy of the state: to be kept once all of a window is read, or thrown away.
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
    const how = { crash: "crashed", configuration: "is not configured", "start-failed": "could not start" }[ended.event];
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
   * Once all lines are read: who restarts in a loop. Starts alone tell only where they are more than a deploy or a
   * growing number of instances makes.
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
        title: `restarts in a loop: ${starts} starts and ${ends} ends by an error within ${LOOP_MINUTES} minutes`,
        version: "",
        detail: "",
        containerId: container.id,
        since,
      }));
      delete this.state.ends[container.id];
    }
  }

  /**
   * What the platform says of each container: a deploy that failed, a container in error. Told when it begins.
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
        title: `is in error: ${container.problem || "the platform says nothing more"}`,
        version: "",
        detail: [
          `image ${container.image}`,
          "After a failed deploy the previous version serves for 24 hours at most. After failed liveness probes the " +
            "container gets no requests and is not restarted.",
        ].join("\n"),
        containerId: container.id,
      }));
    }
    const inError = new Set(containers.filter(({ status }) => status === "error").map(({ id }) => id));
    for (const id of Object.keys(errors)) if (!inError.has(id)) delete errors[id];
  }

  /**
   * Logs that may not have been read and will not be: the cursor moves to where reading goes on.
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

  /** Hours that have ended: how often a crash came again. And what is too old, or too much, is forgotten. */
  hours() {
    const { known, ends } = this.state;
    const waiting = new Set(this.state.outbox.map(({ fingerprint }) => fingerprint));
    for (const [fingerprint, crash] of Object.entries(known)) {
      const { app, title, announced, more } = crash;
      if (more > 0 && announced + HOUR <= this.now && !waiting.has(fingerprint)) {
        if (this.#told >= MOST_MESSAGES - 1) break; // the next run tells of it
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
   * @param {0 | 1} what started, or ended by an error
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
   * @returns {Message} as it leaves
   */
  #tell(message) {
    this.#told++;
    const told = outgoing(message, this.mask);
    this.state.outbox.push(told);
    return told;
  }

  /**
   * One message stands for all crashes beyond what one run tells.
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
        title: "More crashes than are told one by one",
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

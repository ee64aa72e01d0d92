import assert from "node:assert/strict";
import { test } from "node:test";

import { Decisions, MOST_MESSAGES } from "../src/decide.js";
import { newState } from "../src/state.js";

const HOUR = 3_600_000;
const NOW = Date.parse("2026-11-26T05:00:00Z");
const mask = (/** @type {string} */ text, longest = Infinity) => text.replaceAll("hush", "***").slice(0, longest);

/** @param {Partial<import("../src/containers.js").Container>} [other] */
function container(other = {}) {
  return { id: "c", name: "ci-api", app: "api", status: "ready", problem: "", image: "i", maxScale: 1, ...other };
}

/** @param {string} message */
function ended(message) {
  const stack = `Error: ${message}\n    at f (/srv/api/src/x.js:1:1)`;
  return { kind: /** @type {const} */ ("ended"), event: "crash", version: "1", message, stack };
}

/**
 * A run at a time, all of whose messages are posted.
 *
 * @param {import("../src/state.js").State} state
 * @param {number} now
 * @param {(work: Decisions) => void} see
 */
function runAt(state, now, see) {
  const work = new Decisions(state, now, mask);
  see(work);
  work.hours();
  return work.state.outbox.splice(0);
}

test("one message for one crash, a count for the same within the hour, one more when the hour ends", () => {
  const state = newState(NOW);
  const crash = (/** @type {Decisions} */ work) => work.ended(container(), ended("user 7 hush"), work.now - 1000);
  const [first, ...others] = runAt(state, NOW, (work) => [crash(work), crash(work)]);
  assert.deepEqual(others, []);
  assert.equal(first?.count, 2);
  assert.equal(first?.title, "crashed: user 7 ***");
  assert.ok(!JSON.stringify(state).includes("hush"));
  assert.deepEqual(runAt(state, NOW + 5 * 60_000, crash), []);
  assert.deepEqual(runAt(state, NOW + HOUR - 1, crash), []);
  const [more] = runAt(state, NOW + HOUR, () => undefined);
  assert.deepEqual([more?.kind, more?.count], ["more", 2]);
  assert.deepEqual(runAt(state, NOW + 2 * HOUR, () => undefined), []);
});

test("the same crash after a quiet hour is told again", () => {
  const state = newState(NOW);
  runAt(state, NOW, (work) => work.ended(container(), ended("x"), NOW));
  const [again] = runAt(state, NOW + HOUR, (work) => work.ended(container(), ended("x"), NOW + HOUR));
  assert.deepEqual([again?.kind, again?.count], ["crash", 1]);
});

test("a crash that still waits for Slack only counts on", () => {
  const work = new Decisions(newState(NOW), NOW, mask);
  work.ended(container(), ended("x"), NOW);
  const later = new Decisions(work.state, NOW + 3 * HOUR, mask);
  later.ended(container(), ended("x"), NOW + 3 * HOUR);
  later.hours();
  assert.deepEqual(later.state.outbox.map(({ count }) => count), [2]);
});

test("a flood gives few messages, of which one counts the rest", () => {
  const letters = (/** @type {number} */ n) => n.toString(26).replace(/\d/g, (digit) => "qrstuvwxyz"[Number(digit)] ?? "");
  const state = newState(NOW);
  const found = runAt(state, NOW, (work) => {
    for (let i = 0; i < 10_000; i++) work.ended(container(), ended(`cannot ${letters(i)}!`), NOW);
  });
  assert.equal(found.length, MOST_MESSAGES);
  const left = found.at(-1);
  assert.equal(left?.kind, "left-out");
  assert.equal(left?.count, 10_000 - (MOST_MESSAGES - 1));
  assert.deepEqual(left?.apps, { api: left?.count });
  assert.ok(JSON.stringify(state).length < 100_000);
});

test("however long Slack is away, what waits stays bounded, and nothing is uncounted", () => {
  const state = newState(NOW);
  let crashes = 0;
  for (let run = 0; run < 300; run++) {
    const work = new Decisions(state, NOW + run * 300_000, mask);
    for (const letter of "abcdefgh") {
      work.ended(container(), ended(`${letter.repeat(1 + (run % 50))} x ${"y".repeat(run)}`), work.now);
      crashes++;
    }
    work.hours();
  }
  assert.ok(state.outbox.length <= 101);
  assert.ok(JSON.stringify(state).length < 500_000);
  assert.equal(state.outbox.reduce((sum, { count }) => sum + count, 0), crashes);
});

test("a container that restarts in a loop is told once", () => {
  const state = newState(NOW);
  const crashing = (/** @type {Decisions} */ work) => {
    for (let i = 0; i < 6; i++) {
      work.started(container(), work.now - i * 1000);
      work.ended(container(), ended("x"), work.now - i * 1000);
    }
    work.loops([container()]);
  };
  assert.deepEqual(runAt(state, NOW, crashing).map(({ kind }) => kind), ["crash", "loop"]);
  assert.deepEqual(runAt(state, NOW + 300_000, crashing), []);
});

test("a deploy, and more instances, are no loop", () => {
  const state = newState(NOW);
  const wide = container({ maxScale: 20 });
  const found = runAt(state, NOW, (work) => {
    for (let i = 0; i < 20; i++) work.started(wide, NOW);
    work.loops([wide]);
  });
  assert.deepEqual(found, []);
});

test("a container in error is told when it begins, and again when it begins again", () => {
  const state = newState(NOW);
  const broken = container({ status: "error", problem: "Container failed with hush" });
  const [first] = runAt(state, NOW, (work) => work.statuses([broken]));
  assert.equal(first?.kind, "status");
  assert.match(first?.title ?? "", /failed with \*\*\*$/);
  assert.deepEqual(runAt(state, NOW + HOUR, (work) => work.statuses([broken])), []);
  assert.deepEqual(runAt(state, NOW + 2 * HOUR, (work) => work.statuses([container()])), []);
  assert.equal(runAt(state, NOW + 3 * HOUR, (work) => work.statuses([broken])).length, 1);
});

test("a window that was not read to its end leaves nothing", () => {
  const work = new Decisions(newState(NOW), NOW, mask);
  work.fork().ended(container(), ended("x"), NOW);
  assert.deepEqual(work.state, newState(NOW));
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { WORDS, recognize } from "../src/crashes.js";
import { fingerprintOf } from "../src/fingerprint.js";

const LINE = JSON.stringify({
  time: "2026-11-26T05:00:00.000Z",
  level: "fatal",
  event: "crash",
  app: "api",
  version: "4f2a",
  message: 'no user "7" \n here',
  stack: "Error: no user\n    at find (/srv/api/src/users.js:7:11)\n    at node:internal/process:1:1",
});
const ENDED = recognize(LINE);

/** @param {Partial<import("../src/crashes.js").Ended>} other */
const crash = (other) => /** @type {import("../src/crashes.js").Ended} */ ({ ...ENDED, ...other });

test("a crash is recognized as the process wrote it", () => {
  assert.equal(ENDED?.kind, "ended");
  assert.equal(crash({}).version, "4f2a");
  assert.equal(crash({}).message, 'no user "7" \n here');
});

test("a crash is recognized in a line of the platform's own", () => {
  const wrapped = JSON.stringify({ resource_instance: "i", message: LINE, stream: "stderr" });
  assert.deepEqual(recognize(wrapped), ENDED);
  assert.deepEqual(recognize(JSON.stringify({ message: wrapped })), ENDED);
});

test("a crash whose line was cut tells what its first part holds", () => {
  for (let length = LINE.indexOf('"app"'); length < LINE.length; length++) {
    const part = LINE.slice(0, length);
    const found = recognize(part);
    assert.equal(found?.kind, "ended");
    assert.deepEqual(recognize(JSON.stringify({ message: part, stream: "stderr" })), found);
    assert.ok(crash({}).message.startsWith(/** @type {any} */ (found).message), String(length));
  }
});

test("other last words count, and starts do", () => {
  const startFailed = recognize('{"level":"fatal","event":"start-failed","message":"m"}');
  assert.deepEqual(startFailed, { kind: "ended", event: "start-failed", version: "", message: "m", stack: "" });
  assert.deepEqual(recognize('{"level":"info","event":"listening","port":1}'), { kind: "started" });
});

test("no line throws, and none of no interest is taken for a crash", () => {
  const lines = ["", "{", "null", "[]", "{}", '{"message":7}', '{"event":{}}', '{"message":"{"}', '{"level":["fatal"]}', "fatal: crash", "\u0000\ud800"];
  for (const line of lines) assert.equal(recognize(line), undefined, line);
  for (let at = 0; at < LINE.length; at++) recognize(LINE.slice(0, at) + String.fromCharCode(at * 13) + LINE.slice(at + 1));
});

test("whatever is recognized has a word that is searched for", () => {
  for (const line of [LINE, '{"level":"fatal"}', '{"event":"listening"}', JSON.stringify({ message: LINE })]) {
    assert.notEqual(recognize(line), undefined);
    assert.match(line, WORDS);
  }
});

test("the same crash has the same fingerprint, whatever changes from time to time", () => {
  const print = (/** @type {Partial<import("../src/crashes.js").Ended>} */ other) => fingerprintOf("api", crash(other));
  const same = [
    { version: "other" },
    { message: 'no user "12345" \n here' },
    { stack: "Error: no user\n    at find (/srv/api/src/users.js:9:1)\n    at x (/srv/node_modules/y/z.js:1:1)" },
  ];
  for (const other of same) assert.equal(print(other), print({}));
  const messages = ["at 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "at 3f2504e0-4f89-11d3-9a0c-0305e82c3302"];
  assert.equal(new Set(messages.map((message) => print({ message }))).size, 1);
  const different = [{ message: "other" }, { event: "start-failed" }, { stack: "Error\n    at other (/srv/api/src/users.js:7:11)" }];
  for (const other of different) assert.notEqual(print(other), print({}));
  assert.notEqual(fingerprintOf("tasks", crash({})), print({}));
});

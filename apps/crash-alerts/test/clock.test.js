import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { clockFrom } from "../src/clock.js";
import { maskOf } from "../src/mask.js";
import { OutgoingLog } from "../src/outgoing.js";
import { run } from "../src/run.js";
import { newState, nanoseconds } from "../src/state.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/**
 * Object storage, logs and Slack of one environment, whose time is `now`.
 *
 * @param {{ state?: import("../src/state.js").State, now?: number, crashes?: number[], signed?: boolean }} given
 * @param {(platform: { go: () => Promise<string>, state: () => any, told: string[], logged: string[] }) => Promise<void>} use
 */
async function platform({ state, now = Date.now(), crashes = [], signed = false }, use) {
  let stored = state === undefined ? undefined : JSON.stringify(state);
  let version = 1;
  /** @type {string[]} */
  const told = [];
  const server = createServer(async (request, response) => {
    response.setHeader("Date", new Date(now).toUTCString());
    let body = "";
    for await (const part of request) body += part;
    const url = new URL(request.url ?? "", "http://x");
    if (url.pathname.startsWith("/bucket/")) {
      const skew = Math.abs(now - signedAt(String(request.headers["x-amz-date"])));
      if (signed && skew > 15 * MINUTE) {
        response.writeHead(403).end("<Code>RequestTimeTooSkewed</Code>");
        return;
      }
      if (request.method === "PUT") [stored, version] = [body, version + 1];
      response.writeHead(stored === undefined ? 404 : 200, { ETag: `"${version}"` }).end(stored);
      return;
    }
    if (url.pathname === "/hook") {
      told.push(body);
      response.end("ok");
      return;
    }
    if (url.pathname.endsWith("/containers")) {
      response.end(JSON.stringify({ containers: [{ id: "c", name: "ci-api", status: "ready" }], total_count: 1 }));
      return;
    }
    const [start, end] = ["start", "end"].map((name) => BigInt(url.searchParams.get(name) ?? 0));
    const line = JSON.stringify({ event: "crash", version: "v".repeat(1_000_000) + "hush-hush", message: "no user", stack: "" });
    const values = crashes.map(nanoseconds).filter((at) => at >= (start ?? 0n) && at < (end ?? 0n)).map((at) => [String(at), line]);
    response.end(JSON.stringify({ data: { result: [{ stream: { resource_id: "c" }, values }] } }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${port}`;
  const settings = { ENVIRONMENT: "ci", NAMESPACE_ID: "n", WEBHOOK_KEY: "K", DOCUMENT_FILE: "", ACCESS_FILE: "", INTERVAL_MINUTES: 5, SETTLE_SECONDS: 30 };
  const keys = { logsToken: "fake", accessKey: "fake", secretKey: "fake", retentionDays: "7", region: "fr-par" };
  const access = { apiUrl: url, logsUrl: url, storageUrl: url, bucket: "bucket", ...keys };
  /** @type {string[]} */
  const logged = [];
  const log = new OutgoingLog("crash-alerts", "test");
  log.info = log.warn = (event) => logged.push(event);
  const job = { settings, access, webhook: `${url}/hook`, mask: maskOf({ KEY: "hush-hush" }), log };
  try {
    await use({ go: () => run(job), state: () => JSON.parse(stored ?? ""), told, logged });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** @param {string} written such as 20260131T120000Z */
function signedAt(written) {
  return Date.parse(written.replace(/(....)(..)(..)T(..)(..)(..)Z/, "$1-$2-$3T$4:$5:$6Z"));
}

for (const hours of [-50_000, -2, 2, 50_000]) {
  test(`a clock ${hours} hours ahead misses no crash and leaves no time but the service's`, async () => {
    const now = Date.now() - hours * HOUR;
    const state = newState(now - 6 * MINUTE);
    await platform({ now, state, crashes: [now - 2 * MINUTE], signed: true }, async ({ go, state, told, logged }) => {
      assert.equal(await go(), "done");
      assert.match(told.join(), /no user/);
      assert.ok(logged.includes("wrong-clock"));
      const { cursor, heartbeat } = state();
      assert.ok(Math.abs(Number(BigInt(cursor) / 1_000_000n) - now) < MINUTE);
      for (const time of [heartbeat.lastRun, heartbeat.lastGoodRun]) assert.ok(Math.abs(time - now) < MINUTE);
    });
  });
}

test("a cursor in the future is a gap that is told, and the last interval is read again", async () => {
  const now = Date.now();
  const state = newState(now + 2 * HOUR);
  state.heartbeat.lastGoodRun = now + 2 * HOUR;
  await platform({ state, crashes: [now - 3 * MINUTE] }, async ({ go, state, told }) => {
    assert.equal(await go(), "done");
    assert.match(told.join(), /logs were missed.*wrong clock/s);
    assert.match(told.join(), /no user/);
    assert.ok(state().heartbeat.lastGoodRun <= Date.now());
    assert.equal(await go(), "done");
    assert.equal(told.length, 2);
  });
});

test("what was told in the future is told again within the hour, and not after it", async () => {
  const now = Date.now();
  const state = newState(now - 6 * MINUTE);
  await platform({ state, crashes: [now - 2 * MINUTE] }, async ({ go, state, told }) => {
    await go();
    assert.equal(told.length, 1);
    const { known } = state();
    const [[fingerprint, crash]] = /** @type {[[string, any]]} */ (Object.entries(known));
    const later = { ...state(), known: { [fingerprint]: { ...crash, announced: now + 30 * 24 * HOUR } }, ends: { c: { 99999999: [9, 9] } } };
    await platform({ state: later }, async (next) => {
      await next.go();
      assert.ok(next.state().known[fingerprint].announced <= Date.now());
      assert.deepEqual(next.state().ends, {});
    });
  });
});

for (const [lasting, outcome] of /** @type {const} */ ([[3 * MINUTE, "held"], [30 * 24 * HOUR, "done"], [-1, "done"]])) {
  test(`a lease that ends in ${lasting} ms: the run is ${outcome}`, async () => {
    const state = { ...newState(Date.now() - MINUTE), lease: { run: "another", until: Date.now() + lasting } };
    await platform({ state }, async ({ go, state }) => {
      assert.equal(await go(), outcome);
      assert.equal(state().lease?.run, outcome === "held" ? "another" : undefined);
    });
  });
}

test("a field of a megabyte is cut, masked, and does not fill the state", async () => {
  const now = Date.now();
  await platform({ state: newState(now - 6 * MINUTE), crashes: [now - 2 * MINUTE] }, async ({ go, state, told }) => {
    await go();
    assert.ok(told.join().length < 20_000);
    assert.ok(JSON.stringify(state()).length < 20_000);
    assert.ok(!`${told}${JSON.stringify(state())}`.includes("hush"));
  });
});

test("the header is believed where the clocks are further apart than an answer takes", () => {
  const header = "Thu, 26 Nov 2026 05:00:00 GMT";
  const said = Date.parse(header);
  assert.equal(clockFrom(header, said - 4000, said - 3000)?.ahead, 0);
  assert.equal(clockFrom(header, said - 1000, said + 20_000)?.ahead, 0);
  assert.equal(clockFrom(header, said + 60_000, said + 61_000)?.ahead, 61_000);
  assert.equal(clockFrom(header, said - 61_000, said - 60_000)?.ahead, -60_000);
  for (const nothing of [null, "", "yesterday"]) assert.equal(clockFrom(nothing, 0, 0), undefined);
});

test("no line of the log has a secret, whichever field it is in", () => {
  const log = new OutgoingLog("crash-alerts", "test");
  log.mask = maskOf({ KEY: 'hush "hush"' });
  const fields = { problems: ['a hush "hush" b'], nested: { deep: "hush%20%22hush%22" }, stack: "x".repeat(1_000_000), count: 3 };
  const line = log.line("error", "run-failed", 'said hush \\"hush\\"', fields);
  assert.ok(!line.includes("hush"), line);
  assert.ok(line.length < 10_000);
  assert.equal(JSON.parse(line).count, 3);
});

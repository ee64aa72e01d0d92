import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { noAnswer } from "../src/http.js";
import { readLines } from "../src/loki.js";
import { post } from "../src/slack.js";

/**
 * A server on loopback for the time of a test.
 *
 * @param {import("node:http").RequestListener} answer
 * @param {(url: string) => Promise<void>} use
 */
async function serving(answer, use) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  try {
    await use(`http://127.0.0.1:${port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/**
 * What Loki answers of some lines.
 *
 * @param {readonly (readonly [bigint, string])[]} lines
 * @returns {import("node:http").RequestListener}
 */
function loki(lines) {
  return (request, response) => {
    const query = new URL(request.url ?? "", "http://x").searchParams;
    const [start, end, limit] = ["start", "end", "limit"].map((name) => BigInt(query.get(name) ?? 0));
    const found = lines.filter(([time]) => time >= (start ?? 0n) && time < (end ?? 0n)).slice(0, Number(limit));
    const values = found.map(([time, text]) => [String(time), text]);
    response.end(JSON.stringify({ data: { result: [{ stream: { resource_id: "c" }, values }] } }));
  };
}

test("every line is read once, whatever times and pages there are", async () => {
  let seed = 7;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 20; round++) {
    let time = 100n;
    const lines = Array.from({ length: Math.floor(random() * 60) }, (_, index) => {
      time += BigInt(Math.floor(random() * 2));
      return /** @type {const} */ ([time, `line ${index}`]);
    });
    const most = Math.max(1, ...lines.map(([at]) => lines.filter(([other]) => other === at).length));
    await serving(loki(lines), async (logsUrl) => {
      const access = { logsUrl, logsToken: "fake" };
      const found = [];
      const limit = most + 1 + Math.floor(random() * 5);
      for await (const page of readLines(access, ["c"], /line/, 100n, time, limit)) found.push(...page);
      assert.deepEqual(found.map(({ text }) => text), lines.filter(([at]) => at < time).map(([, text]) => text));
    });
  }
});

test("more lines of one moment than a page has do not stop the reading", async () => {
  const lines = [...Array.from({ length: 10 }, (_, i) => /** @type {const} */ ([5n, `${i}`])), /** @type {const} */ ([6n, "last"])];
  await serving(loki(lines), async (logsUrl) => {
    const found = [];
    for await (const page of readLines({ logsUrl, logsToken: "fake" }, ["c"], /x/, 0n, 9n, 4)) found.push(...page);
    assert.equal(found.at(-1)?.text, "last");
  });
});

test("Slack is asked again as it wishes, and given up in the end", async () => {
  const statuses = [429, 503, 200];
  let asked = 0;
  await serving((_, response) => response.writeHead(statuses[asked++] ?? 500, { "Retry-After": "0" }).end("ok"), async (url) => {
    assert.equal(await post(url, { text: "x" }), "taken");
    assert.equal(asked, 3);
    await assert.rejects(post(url, { text: "x" }), /^AnswerError: Slack: 500 ok$/);
  });
});

test("a webhook that is no more is an error that does not tell its address", async () => {
  await serving((_, response) => response.writeHead(404).end("no_service"), async (url) => {
    const error = await post(`${url}/services/hush`, { text: "x" }).catch((/** @type {Error} */ found) => found);
    assert.equal(String(error), "AnswerError: Slack: 404 no_service");
  });
  const cause = Object.assign(new Error("connect to hush"), { code: "ECONNREFUSED" });
  assert.equal(noAnswer("Slack", new TypeError("fetch failed", { cause })).message, "Slack: no response (ECONNREFUSED)");
});

test("blocks that Slack refuses are sent as text, and a text that it refuses is given up", async () => {
  /** @type {string[]} */
  const bodies = [];
  const taking = (/** @type {boolean} */ text) => (/** @type {any} */ request, /** @type {any} */ response) => {
    request.on("data", (/** @type {Buffer} */ part) => bodies.push(String(part)));
    request.on("end", () => response.writeHead(text && !bodies.at(-1)?.includes("blocks") ? 200 : 400).end("invalid_payload"));
  };
  await serving(taking(true), async (url) => assert.equal(await post(url, { text: "x", blocks: [{}] }), "taken"));
  assert.deepEqual(bodies, ['{"text":"x","blocks":[{}]}', '{"text":"x"}']);
  await serving(taking(false), async (url) => assert.equal(await post(url, { text: "x", blocks: [{}] }), "refused"));
});

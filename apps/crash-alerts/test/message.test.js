import assert from "node:assert/strict";
import { test } from "node:test";

import { escape, slackMessage } from "../src/message.js";

/** @param {Partial<import("../src/state.js").Message>} other */
function message(other) {
  const since = Date.parse("2026-11-26T05:00:00Z");
  return /** @type {import("../src/state.js").Message} */ ({
    kind: "crash",
    fingerprint: "f",
    app: "api",
    title: "crashed: no user",
    version: "4f2a",
    count: 3,
    since,
    until: since + 60_000,
    detail: "Error: no user\n    at f (x.js:1:1)",
    containerId: "c-1",
    ...other,
  });
}

/** @param {{ blocks: object[] }} sent */
const textsOf = ({ blocks }) =>
  blocks.flatMap((/** @type {any} */ block) => [block.text, ...(block.elements ?? [])]).filter((part) => part !== undefined);

test("it says environment, app, version, how often, since when, the stack, and where to read on", () => {
  const said = textsOf(slackMessage("ci", message({}))).map(({ text }) => text).join("\n");
  for (const part of ["ci", "api", "4f2a", "3 times", "05:00:00 UTC", "at f (x.js:1:1)", 'resource_id="c-1"']) {
    assert.ok(said.includes(part), part);
  }
});

test("every kind is within Slack's limits, and nothing of a log is more than text", () => {
  const odd = `<!channel> & <https://x|y> \`\`\`${"&".repeat(4000)}`;
  for (const kind of /** @type {const} */ (["crash", "more", "loop", "status", "gap", "left-out"])) {
    const sent = slackMessage("ci", message({ kind, title: odd, detail: odd, app: "a".repeat(200), apps: { api: 3 } }));
    assert.ok(sent.blocks.length <= 50);
    assert.ok(sent.text.length > 0);
    for (const { type, text } of textsOf(sent)) {
      assert.ok(text.length > 0 && text.length <= (type === "plain_text" ? 150 : 3000), `${kind} ${text.length}`);
      if (type === "mrkdwn") assert.doesNotMatch(text, /<|>|&(?!amp;|lt;|gt;)/);
    }
    assert.ok(!JSON.stringify(sent).includes("<!channel>"));
  }
});

test("escaping is what Slack asks for", () => {
  assert.equal(escape("a<b>&c"), "a&lt;b&gt;&amp;c");
});

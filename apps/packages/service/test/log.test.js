import assert from "node:assert/strict";
import { test } from "node:test";

import { messageOf } from "../src/log.js";

test("logins in addresses are left out, whatever the scheme", () => {
  const text = "no answer from mongodb+srv://user:p%40ss@a.example:1,b.example/x, nor from HTTPS://token@c.example";
  const clean = "no answer from mongodb+srv://***@a.example:1,b.example/x, nor from HTTPS://***@c.example";
  assert.equal(messageOf(new Error(text)), clean);
});

test("an endless text is cut, and not searched for hours", { timeout: 10_000 }, () => {
  assert.equal(messageOf(new Error("a.".repeat(1_000_000))).length, 16_001);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { connectedOrigins, frontVariables, listedVariables } from "../src/variables.js";

test("names are listed as import-meta-env lists them", () => {
  assert.deepEqual(listedVariables("# a comment\nVITE_A=\n\nexport VITE_B='x # y'\n#VITE_C=\nVITE_D=1 # why\n"), [
    "VITE_A",
    "VITE_B",
    "VITE_D",
  ]);
});

test("a page can call only what it knows", () => {
  assert.throws(() => frontVariables(["VITE_A"], { required: ["VITE_B"] }), /does not list VITE_B/);
});

test("what is no address is left out of the policy", () => {
  const values = { VITE_API_URL: "https://api.example:8443/v1", VITE_SENTRY_URL: "off" };
  const connections = { required: ["VITE_API_URL"], optional: ["VITE_SENTRY_URL"] };
  assert.deepEqual(connectedOrigins(values, connections), ["https://api.example:8443"]);
});

test("no address adds a directive, a source or a policy", () => {
  const connections = { optional: ["VITE_SENTRY_URL"] };
  const characters = Array.from({ length: 0x100 }, (_, code) => String.fromCharCode(code));
  for (const character of [...characters, "%3B", "%2c", "%20", "\u037e", "\uff1b", "\uff0c"]) {
    for (const host of [`x${character}sandbox`, `${character}x`, `x.example${character}`, character]) {
      for (const address of [`https://k@${host}/1`, `https://${host}:1/`, `http://x:1${character}/`, `https://k${character}@x`]) {
        const [origin = "https://x"] = connectedOrigins({ VITE_SENTRY_URL: address }, connections);
        assert.match(origin, /^https?:\/\/[a-z0-9.\-_]+(:\d+)?$/, address);
      }
    }
  }
  const origins = (/** @type {string} */ address) => connectedOrigins({ VITE_SENTRY_URL: address }, connections);
  assert.deepEqual(origins("https://k@[::1]:8443/1"), ["https://[::1]:8443"]);
  assert.deepEqual(origins("https://é.example"), ["https://xn--9ca.example"]);
});

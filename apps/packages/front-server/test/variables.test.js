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

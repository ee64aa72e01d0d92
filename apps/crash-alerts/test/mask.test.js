import assert from "node:assert/strict";
import { test } from "node:test";

import { maskOf, maskPatterns } from "../src/mask.js";

const SECRETS = {
  MONGO_URL: 'mongodb://snu:p%40ss"w\\rd-long@db-1:27017,db-2:27017/snu?x=1',
  TOKEN: 'fake"token/with+odd&chars',
  PEM: "-----BEGIN FAKE-----\nZmFrZS1saW5lLW9uZQ\nZmFrZS1saW5lLXR3bw\n-----END FAKE-----",
  NESTED: { list: ["nested-value-é", 12345678] },
  SHORT: "abc",
};
const mask = maskOf(SECRETS);

test("no value of the document is left, in any form that programs write", () => {
  const values = [SECRETS.MONGO_URL, SECRETS.TOKEN, SECRETS.PEM, "nested-value-é", "12345678", "ZmFrZS1saW5lLXR3bw", "p%40ss\"w\\rd-long"];
  for (const value of values) {
    const json = JSON.stringify(value).slice(1, -1);
    const forms = [value, encodeURIComponent(value), json, JSON.stringify(json).slice(1, -1)];
    for (const form of forms) {
      const masked = mask(`before ${form} after`);
      assert.ok(!masked.includes(form), form);
      assert.match(masked, /^before .* after$/s);
    }
  }
});

test("a value in base64 is masked, whatever stands around it", () => {
  for (const before of ["", "u", "us", "use", "user:"]) {
    for (const after of ["", "!", "!!"]) {
      const encoded = Buffer.from(`${before}${SECRETS.TOKEN}${after}`).toString("base64");
      const middle = encoded.slice(8, 24);
      assert.ok(!mask(`got ${encoded}`).includes(middle), `${before} ${after}`);
    }
  }
});

test("a masked value says which one it was", () => {
  assert.equal(mask(`failed with ${SECRETS.TOKEN}.`), "failed with [TOKEN].");
});

test("what is too short to be told from any word stays", () => {
  assert.equal(mask("abc"), "abc");
});

test("what looks like a secret is masked, whatever it is", () => {
  const secrets = {
    "postgres://user:hushhush@db/x": "hushhush",
    "Authorization: Bearer abc.def-123": "abc.def-123",
    "Authorization: Basic dXNlcjpwYXNz": "dXNlcjpwYXNz",
    "key SCWABCDEFGHIJKLMNOPQ": "SCWABCDEFGHIJKLMNOPQ",
    "id 10ca1000-0000-4000-8000-00000000cafe.": "10ca1000-0000-4000-8000-00000000cafe",
    '{"password":"hush-hush"}': "hush-hush",
    "api_key = hush1234": "hush1234",
    "jane.doe+x@example.org wrote": "jane.doe",
    "x eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.sig y": "eyJzdWIiOiIxIn0",
    "t 0123456789abcdef0123456789abcdef01 u": "0123456789abcdef0123456789abcdef01",
  };
  for (const [text, secret] of Object.entries(secrets)) assert.ok(!maskPatterns(text).includes(secret), maskPatterns(text));
});

test("a stack stays readable", () => {
  const stack = "TypeError: x is not a function\n    at Object.<anonymous> (/srv/api/src/main.js:12:3)\n    at async https://example.org/a-path";
  assert.equal(mask(stack), stack);
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { contentSecurityPolicy } from "../src/security.js";

test("every inline script is allowed by its hash, and no file is", () => {
  const hash = (/** @type {string} */ script) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`;
  const page = '<script>a()</script><script type="module" src="/x.js"></script><SCRIPT async>b()\n</SCRIPT>';
  assert.match(contentSecurityPolicy(page, {}), new RegExp("script-src 'self' [^ ;]+ [^ ;]+;"));
  for (const script of ["a()", "b()\n"]) assert.ok(contentSecurityPolicy(page, {}).includes(hash(script)));
});

test("sources are added to those of the policy", () => {
  const policy = contentSecurityPolicy("", {
    "img-src": ["https://images.example"],
    "frame-ancestors": ["https://portal.example"],
    "worker-src": ["'self'"],
  });
  const directives = policy.split("; ");
  assert.ok(directives.includes("img-src 'self' https://images.example"));
  assert.ok(directives.includes("frame-ancestors https://portal.example"));
  assert.ok(directives.includes("worker-src 'self'"));
});

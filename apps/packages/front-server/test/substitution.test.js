import assert from "node:assert/strict";
import { test } from "node:test";

import { StartError } from "@snu/service";

import { substitute } from "../src/substitution.js";

for (const placeholder of [
  `JSON.parse('"import_meta_env_placeholder"')`,
  `JSON.parse("\\"import_meta_env_placeholder\\"")`,
  'JSON.parse(`"import_meta_env_placeholder"`)',
]) {
  test(`the placeholder is found: ${placeholder}`, () => {
    assert.equal(substitute(`<script>x = ${placeholder}</script>$&`, { A: "$&" }), '<script>x = {"A":"$\\u0026"}</script>$&');
  });
}

for (const [name, page] of [["none", "<script></script>"], ["two", `JSON.parse('"import_meta_env_placeholder"')`.repeat(2)]]) {
  test(`a page with ${name} is refused, with what to write`, () => {
    assert.throws(
      () => substitute(page ?? "", {}),
      (error) => error instanceof StartError && /before the page's module/.test(error.message),
    );
  });
}

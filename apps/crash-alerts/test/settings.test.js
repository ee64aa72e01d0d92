import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { addressIn, readDocument } from "../src/settings.js";

/** What both readers of the secret document agree on: tests/unit/test_documents.py holds the program to it. */
/** @type {{ name: string, base64: string, accepted: boolean }[]} */
const documents = JSON.parse(readFileSync(new URL("documents.json", import.meta.url), "utf8"));

for (const { name, base64, accepted } of documents) {
  test(`a secret document with ${name} is ${accepted ? "read" : "refused"}`, () => {
    const file = join(mkdtempSync(join(tmpdir(), "document-")), "document");
    writeFileSync(file, Buffer.from(base64, "base64"));
    if (accepted) {
      assert.equal(addressIn(readDocument(file), "HOOK"), "https://hooks.slack.test/\u00e9");
    } else {
      assert.throws(() => readDocument(file), { name: "StartError", message: /not (a )?JSON/ });
    }
  });
}

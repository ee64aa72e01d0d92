// For tests/apps/test_mask.py: a JSON object a line, { document, text }, is answered with the masked text as JSON.
import { createInterface } from "node:readline";

import { maskOf } from "../../apps/crash-alerts/src/mask.js";

for await (const line of createInterface({ input: process.stdin })) {
  const { document, text } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(maskOf(document)(text))}\n`);
}

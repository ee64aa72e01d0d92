// Reads values as JSON, one object a line; writes what a page holds with them, and what its script makes of it.
import { createInterface } from "node:readline";
import { runInNewContext } from "node:vm";

const { substitute } = await import(`${process.argv[2]}/packages/front-server/src/substitution.js`);
const PAGE = `<!doctype html><script>globalThis.import_meta_env = JSON.parse('"import_meta_env_placeholder"')</script><p>`;

for await (const line of createInterface({ input: process.stdin })) {
  const html = substitute(PAGE, JSON.parse(line));
  const script = html.slice(html.indexOf("<script>") + 8, html.indexOf("</script>"));
  const values = runInNewContext(`${script}; JSON.stringify(globalThis.import_meta_env)`);
  process.stdout.write(`${JSON.stringify({ html, values: JSON.parse(values) })}\n`);
}

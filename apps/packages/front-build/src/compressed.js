import { readFile, readdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";

const TEXTS = /\.(css|js|json|mjs|svg|txt|wasm|webmanifest|xml)$/;
const ENCODERS = /** @type {const} */ ([
  [".br", promisify(brotliCompress)],
  [".gz", promisify(gzip)],
]);

/**
 * Adds brotli and gzip variants of text files that they make smaller. Excludes the page, which is completed only when
 * the server starts.
 *
 * @returns {import("vite").Plugin}
 */
export function compressed() {
  let folder = "";
  return {
    name: "snu-compressed",
    apply: "build",
    configResolved: (config) => {
      folder = resolve(config.root, config.build.outDir);
    },
    closeBundle: async () => {
      const names = await readdir(folder, { recursive: true });
      await Promise.all(names.filter((name) => TEXTS.test(name)).map((name) => compress(join(folder, name))));
    },
  };
}

/** @param {string} file */
async function compress(file) {
  const plain = await readFile(file);
  for (const [suffix, encode] of ENCODERS) {
    const encoded = await encode(plain);
    if (encoded.length < plain.length) await writeFile(`${file}${suffix}`, encoded);
  }
}

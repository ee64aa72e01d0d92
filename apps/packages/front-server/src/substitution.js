/**
 * Inserts variables into a page that was built with import-meta-env, in memory.
 *
 * Replaces import-meta-env's command, which modifies the built files, fails for values with quotes, and leaves a copy
 * of the page behind.
 */

import { StartError } from "@snu/service";

// Both documented forms of import-meta-env's placeholder.
const PLACEHOLDER = /JSON\.parse\((['"`])\\?"import_meta_env_placeholder\\?"\1\)/g;
const NOT_PLAIN_ASCII = /[<>&\u007f-\uffff]/g;

/**
 * A JavaScript expression of the values that is safe in a script element.
 *
 * Escapes everything but ASCII, and characters that could end the element.
 *
 * @param {Readonly<Record<string, string>>} values
 * @returns {string}
 */
export function scriptExpression(values) {
  const escape = (/** @type {string} */ unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(values).replace(NOT_PLAIN_ASCII, escape);
}

/**
 * @param {string} page the built page
 * @param {Readonly<Record<string, string>>} values
 * @returns {string}
 * @throws {StartError} unless the page contains the placeholder exactly once
 */
export function substitute(page, values) {
  const parts = page.split(PLACEHOLDER);
  // The parts include the expression's group.
  if (parts.length !== 3) {
    const found = (parts.length - 1) / 2;
    throw new StartError(
      `The built index.html contains import-meta-env's placeholder ${found} times; it must contain it once: ` +
        `<script>globalThis.import_meta_env = JSON.parse('"import_meta_env_placeholder"')</script> ` +
        "before the page's module. Correct index.html and build again.",
    );
  }
  return `${parts[0]}${scriptExpression(values)}${parts[2]}`;
}

/**
 * Puts variables into the page of a front that was built with import-meta-env, in memory.
 *
 * import-meta-env's own command writes into the built files, breaks on values with a quote, and leaves a copy of the
 * page behind; hence this.
 */

import { StartError } from "@snu/service";

// Both ways in which import-meta-env documents the placeholder.
const PLACEHOLDER = /JSON\.parse\((['"`])\\?"import_meta_env_placeholder\\?"\1\)/g;
const NOT_PLAIN_ASCII = /[<>&\u007f-\uffff]/g;

/**
 * An expression in JavaScript that can stand in a script element of a page, whatever the values hold.
 *
 * Everything but plain ASCII is escaped, and so is what could end the element.
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
 * @throws {StartError} when the page does not hold the placeholder exactly once
 */
export function substitute(page, values) {
  const parts = page.split(PLACEHOLDER);
  // The expression's group stands between the parts.
  if (parts.length !== 3) {
    const found = (parts.length - 1) / 2;
    throw new StartError(
      `The built index.html holds import-meta-env's placeholder ${found} times, and must hold it once: ` +
        `<script>globalThis.import_meta_env = JSON.parse('"import_meta_env_placeholder"')</script> ` +
        "before the front's module. Correct index.html and build again.",
    );
  }
  return `${parts[0]}${scriptExpression(values)}${parts[2]}`;
}

/**
 * The configuration of a run: plain variables and two files with secrets. Messages never contain a secret's value.
 */

import { readFileSync } from "node:fs";

import { StartError, integer, originOf, text } from "@snu/service";

/** @typedef {import("@snu/service").SettingsOf<typeof variables>} JobSettings */

/** Read from the environment: see docs/how-to/crash-alerts.md. */
export const variables = {
  ENVIRONMENT: required("the environment's name"),
  NAMESPACE_ID: required("the id of the container namespace that is watched, with or without its region"),
  WEBHOOK_KEY: required("the key of the webhook's URL in the secret document"),
  DOCUMENT_FILE: required("the file with the environment's secret document"),
  ACCESS_FILE: required("the file with the job's credentials"),
  INTERVAL_MINUTES: integer({ min: 1, max: 60 }),
  SETTLE_SECONDS: integer({ min: 0, max: 600, fallback: 30 }),
};

/**
 * The job's credentials and endpoints, as written by the foundation.
 *
 * @typedef {object} Access
 * @property {string} apiUrl of Scaleway's API
 * @property {string} region
 * @property {string} logsUrl of the data source that holds the containers' logs
 * @property {string} logsToken may query logs and nothing else
 * @property {string} retentionDays how long they are kept
 * @property {string} storageUrl of object storage
 * @property {string} bucket where the state is kept
 * @property {string} accessKey
 * @property {string} secretKey
 */

const ACCESS_KEYS = /** @type {const} */ ([
  "apiUrl",
  "region",
  "logsUrl",
  "logsToken",
  "retentionDays",
  "storageUrl",
  "bucket",
  "accessKey",
  "secretKey",
]);

/** @typedef {Readonly<Record<string, unknown>>} SecretDocument */

/**
 * @param {string} file
 * @returns {SecretDocument} the environment's secret document
 */
export function readDocument(file) {
  return readObject(file, "The secret document");
}

/**
 * @param {string} file
 * @returns {Access}
 */
export function readAccess(file) {
  const found = readObject(file, "The job's access");
  const missing = ACCESS_KEYS.filter((key) => typeof found[key] !== "string" || found[key] === "");
  if (missing.length > 0) {
    throw new StartError(
      `The job's access lacks ${missing.join(", ")}. Run scripts/snu keys store FOUNDATION with an owner's key.`,
    );
  }
  return /** @type {Access} */ (/** @type {unknown} */ (found));
}

/**
 * A URL in the secret document.
 *
 * @param {SecretDocument} document
 * @param {string} key
 * @returns {string}
 */
export function addressIn(document, key) {
  const value = document[key];
  if (typeof value === "string" && originOf(value) !== undefined) return value;
  const found = value === undefined ? "lacks" : "has no valid URL at";
  throw new StartError(`The secret document ${found} the key ${key}: set it to the URL of a Slack webhook.`);
}

/**
 * Reads a JSON object in UTF-8, with or without a byte order mark, like the Pulumi program (infra/documents.py).
 *
 * @param {string} file
 * @param {string} what
 * @returns {Record<string, unknown>}
 */
function readObject(file, what) {
  /** @type {unknown} */
  let found;
  try {
    found = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file)));
  } catch (error) {
    // The parser's message would quote the content.
    const isContent = error instanceof SyntaxError || error instanceof TypeError;
    const reason = isContent ? "it is not JSON in UTF-8" : codeOf(error);
    throw new StartError(`${what}, ${file}, cannot be read: ${reason}.`);
  }
  if (typeof found === "object" && found !== null && !Array.isArray(found)) {
    return /** @type {Record<string, unknown>} */ (found);
  }
  throw new StartError(`${what}, ${file}, is not a JSON object.`);
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function codeOf(error) {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
}

/**
 * @param {string} expected
 * @returns {import("@snu/service").Reader<string>}
 */
function required(expected) {
  return { ...text(), expected, mayBeEmpty: false };
}

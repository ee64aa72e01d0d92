/**
 * Reads environment variables at startup and reports all problems at once.
 *
 * Errors contain names and allowed values, never actual values, which may be secret.
 */

import { StartError } from "./errors.js";

const ORIGIN = /^https?:\/\/([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d+)?$/;

/** @typedef {Readonly<Record<string, string | undefined>>} Environment */

/**
 * Reads one variable. `parse` returns `undefined` for invalid values. Without `fallback`, the variable is required.
 *
 * @template T
 * @typedef {object} Reader
 * @property {string} expected a description of the allowed values
 * @property {(text: string) => T | undefined} parse
 * @property {T} [fallback]
 * @property {boolean} [mayBeEmpty] whether an empty string is a value; otherwise it counts as missing
 */

/** @typedef {Record<string, Reader<any>>} Variables */

/**
 * @template {Variables} V
 * @typedef {{ readonly [K in keyof V]: V[K] extends Reader<infer T> ? T : never }} Settings
 */

/** @typedef {{ variable: string, problem: "missing" | "wrong", expected: string }} Problem */

/** Variables are missing or invalid. */
export class SettingsError extends StartError {
  /** @param {readonly Problem[]} problems */
  constructor(problems) {
    const list = problems.map(({ variable, problem, expected }) => `${variable} is ${problem} (expected: ${expected})`);
    const subject = problems.length === 1 ? "1 variable is" : `${problems.length} variables are`;
    super(`${subject} missing or wrong: ${list.join("; ")}. Set them on the container.`, { problems });
    this.name = "SettingsError";
  }
}

/**
 * Reads all variables; returns the valid values and the problems of the others.
 *
 * @template {Variables} V
 * @param {Environment} environment
 * @param {V} variables
 * @returns {{ settings: Settings<V>, problems: Problem[] }} the settings are complete if there are no problems
 */
export function examine(environment, variables) {
  /** @type {Problem[]} */
  const problems = [];
  /** @type {[string, unknown][]} */
  const values = [];
  for (const [variable, reader] of Object.entries(variables)) {
    const given = environment[variable];
    const missing = given === undefined || (given === "" && !reader.mayBeEmpty);
    const value = missing ? reader.fallback : reader.parse(given);
    if (value === undefined) problems.push({ variable, problem: missing ? "missing" : "wrong", expected: reader.expected });
    values.push([variable, value]);
  }
  return { settings: /** @type {Settings<V>} */ (Object.freeze(Object.fromEntries(values))), problems };
}

/**
 * A string, which may be empty.
 *
 * @param {{ fallback?: string }} [options]
 * @returns {Reader<string>}
 */
export function text({ fallback } = {}) {
  return { expected: "a string", parse: (value) => value, mayBeEmpty: true, ...optional(fallback) };
}

/**
 * @param {{ min: number, max: number, fallback?: number }} options
 * @returns {Reader<number>}
 */
export function integer({ min, max, fallback }) {
  return {
    expected: `an integer from ${min} to ${max}`,
    parse: (value) => {
      const number = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
      return number >= min && number <= max ? number : undefined;
    },
    ...optional(fallback),
  };
}

/**
 * @param {{ fallback?: boolean }} [options]
 * @returns {Reader<boolean>}
 */
export function flag({ fallback } = {}) {
  return {
    expected: "true or false",
    parse: (value) => (value === "true" ? true : value === "false" ? false : undefined),
    ...optional(fallback),
  };
}

/**
 * An HTTP(S) URL, unchanged.
 *
 * @returns {Reader<string>}
 */
export function webAddress() {
  return {
    expected: "a URL that starts with http:// or https://",
    parse: (value) => (originOf(value) === undefined ? undefined : value),
  };
}

/**
 * The origin of a URL (`https://host:port`); `undefined` unless it is an HTTP(S) URL of a host name or IP address.
 *
 * Hosts such as `x;sandbox`, `a,b` and `*` are valid in URLs, but have a special meaning in a content security policy.
 *
 * @param {string} address
 * @returns {string | undefined}
 */
export function originOf(address) {
  const url = URL.parse(address);
  return url !== null && ORIGIN.test(url.origin) ? url.origin : undefined;
}

/**
 * @template T
 * @param {T | undefined} fallback
 * @returns {{ fallback?: T }}
 */
function optional(fallback) {
  return fallback === undefined ? {} : { fallback };
}

import { StartError, originOf, text, webAddress } from "@snu/service";
import { parseEnv } from "node:util";

/**
 * Which addresses the page may call: the value of each of these variables. What must be an address stops the start
 * when it is none; what may be one (a Sentry DSN, which can be switched off) is left out then.
 *
 * @typedef {{ readonly required?: readonly string[], readonly optional?: readonly string[] }} Connections
 */

/**
 * The names that a front's `.env.example` lists.
 *
 * @param {string} content
 * @returns {string[]}
 */
export function listedVariables(content) {
  return Object.keys(parseEnv(content));
}

/**
 * @param {readonly string[]} names the variables that the page gets
 * @param {Connections} connections
 * @returns {Record<string, import("@snu/service").Reader<string>>}
 * @throws {StartError} when a connection names a variable that the page does not get
 */
export function frontVariables(names, { required = [], optional = [] }) {
  const unlisted = [...required, ...optional].filter((name) => !names.includes(name));
  if (unlisted.length > 0) {
    throw new StartError(`.env.example does not list ${unlisted.join(", ")}, which server.js lets the page call.`);
  }
  return Object.fromEntries(names.map((name) => [name, required.includes(name) ? webAddress() : text()]));
}

/**
 * @param {Readonly<Record<string, string>>} values
 * @param {Connections} connections
 * @returns {string[]}
 */
export function connectedOrigins(values, { required = [], optional = [] }) {
  return [...required, ...optional].flatMap((name) => originOf(values[name] ?? "") ?? []);
}

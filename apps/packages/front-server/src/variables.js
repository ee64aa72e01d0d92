import { StartError, originOf, text, webAddress } from "@snu/service";
import { parseEnv } from "node:util";

/**
 * Variables whose values are URLs that the page may call. An invalid URL in a required variable prevents the start; in
 * an optional variable (such as a Sentry DSN, which can be disabled), it is ignored.
 *
 * @typedef {{ readonly required?: readonly string[], readonly optional?: readonly string[] }} Connections
 */

/**
 * The variables in `.env.example`.
 *
 * @param {string} content
 * @returns {string[]}
 */
export function listedVariables(content) {
  return Object.keys(parseEnv(content));
}

/**
 * @param {readonly string[]} names the variables of the page
 * @param {Connections} connections
 * @returns {Record<string, import("@snu/service").Reader<string>>}
 * @throws {StartError} if a connection refers to a variable that the page does not have
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

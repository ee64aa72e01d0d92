/**
 * Masks and truncates all external strings in the job's output: messages to Slack and in the state, and its log.
 */

import { Log } from "@snu/service";

import { maskPatterns } from "./mask.js";

const LONGEST_NAME = 100;
const LONGEST_TITLE = 300;
const LONGEST_DETAIL = 2500;
const LONGEST_LOGGED = 4000;

/**
 * @param {import("./state.js").Message} message its kind, fingerprint and container id are not external strings
 * @param {import("./mask.js").Mask} mask
 * @returns {import("./state.js").Message}
 */
export function outgoing(message, mask) {
  const { app, title, version, detail, apps } = message;
  const names = Object.entries(apps ?? {}).map(([name, count]) => [mask(name, LONGEST_NAME), count]);
  return {
    ...message,
    app: mask(app, LONGEST_NAME),
    title: mask(title, LONGEST_TITLE),
    version: mask(version, LONGEST_NAME),
    detail: mask(detail, LONGEST_DETAIL),
    ...(apps && { apps: Object.fromEntries(names) }),
  };
}

export class OutgoingLog extends Log {
  /**
   * Masks only what looks like a secret until the secret document is read.
   *
   * @type {import("./mask.js").Mask}
   */
  mask = maskPatterns;

  /**
   * @override
   * @param {import("@snu/service").Level} level
   * @param {string} event
   * @param {string} message
   * @param {import("@snu/service").Fields} [fields]
   * @returns {string}
   */
  line(level, event, message, fields = {}) {
    return super.line(level, event, this.#cleaned(message), this.#cleaned(fields));
  }

  /**
   * @template T
   * @param {T} value
   * @returns {T} with each string in it masked and cut
   */
  #cleaned(value) {
    return JSON.parse(JSON.stringify(value), (_, each) => (typeof each === "string" ? this.mask(each, LONGEST_LOGGED) : each));
  }
}

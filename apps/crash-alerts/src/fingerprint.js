/**
 * Identifies repetitions of a crash: the same app, event, message (except for variable parts) and stack frames of the
 * app's own code. The version is ignored, because two versions run during a deployment.
 */

import { createHash } from "node:crypto";

import { maskPatterns } from "./mask.js";

const OWN_FRAMES = 3;
const LONGEST_MESSAGE = 2000;
const LONGEST_STACK = 16_000;

/**
 * @param {string} app
 * @param {import("./crashes.js").Ended} ended
 * @returns {string}
 */
export function fingerprintOf(app, { event, message, stack }) {
  return digest([app, event, normal(message), ...ownFrames(stack)]);
}

/** @param {readonly string[]} parts */
export function digest(parts) {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 22);
}

/**
 * Normalizes a text: removes variable parts such as numbers, ids, dates and e-mail addresses.
 *
 * @param {string} text
 * @returns {string}
 */
export function normal(text) {
  return maskPatterns(text.slice(0, LONGEST_MESSAGE))
    .replace(/\b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b/gi, "#")
    .replace(/\d+/g, "#");
}

/**
 * @param {string} stack
 * @returns {string[]}
 */
function ownFrames(stack) {
  const frames = stack.slice(0, LONGEST_STACK).match(/^\s+at .+$/gm) ?? [];
  return frames
    .filter((frame) => !frame.includes("node_modules") && !/\(?node:/.test(frame))
    .slice(0, OWN_FRAMES)
    .map((frame) => frame.trim().replace(/:\d+(:\d+)?(?=\)?$)/, ""));
}

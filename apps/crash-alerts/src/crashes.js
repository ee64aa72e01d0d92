/**
 * Recognizes log lines of a container that report a process's start or its end with an error. Input is untrusted; no
 * line causes an exception.
 */

/**
 * @typedef {object} Ended a process ended with an error
 * @property {"ended"} kind
 * @property {string} event `crash`, or another event logged on exit: `start-failed`, `configuration`
 * @property {string} version
 * @property {string} message
 * @property {string} stack
 */

/** @typedef {{ kind: "started" }} Started a process is listening */

/** Prefilter for log queries: all relevant lines contain one of these words, and few others do. */
export const WORDS = /crash|fatal|listening/;

const DEEPEST = 3;
const SPLIT_CRASH = /"event":"crash"/;
const SPLIT_FIELD = /** @type {const} */ ({
  version: /"version":"((?:[^"\\]|\\.)*)"/,
  message: /"message":"((?:[^"\\]|\\.)*)/,
  stack: /"stack":"((?:[^"\\]|\\.)*)/,
});

/**
 * @param {string} line
 * @returns {Ended | Started | undefined}
 */
export function recognize(line) {
  const text = written(line);
  const record = parsed(text);
  if (record === undefined) return SPLIT_CRASH.test(text) ? fromPart(text) : undefined;
  if (record.event === "listening") return { kind: "started" };
  if (record.event !== "crash" && record.level !== "fatal") return undefined;
  return {
    kind: "ended",
    event: textOf(record.event) || "crash",
    version: textOf(record.version),
    message: textOf(record.message),
    stack: textOf(record.stack),
  };
}

/**
 * Unwraps the line that the process wrote from the platform's object, which has it as `message`.
 *
 * @param {string} line
 * @returns {string}
 */
function written(line) {
  let text = line;
  for (let depth = 0; depth < DEEPEST; depth++) {
    const found = parsed(text);
    if (found === undefined || typeof found.event === "string" || found.level === "fatal") break;
    if (typeof found.message !== "string") break;
    text = found.message;
  }
  return text;
}

/**
 * @param {string} text
 * @returns {Record<string, unknown> | undefined}
 */
function parsed(text) {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Parses the first part of a long line that the platform has split.
 *
 * @param {string} line
 * @returns {Ended}
 */
function fromPart(line) {
  const [version, message, stack] = [SPLIT_FIELD.version, SPLIT_FIELD.message, SPLIT_FIELD.stack].map((field) => {
    const escaped = field.exec(line)?.[1] ?? "";
    return textOf(parsed(`{"text":"${escaped}"}`)?.text);
  });
  return { kind: "ended", event: "crash", version: version ?? "", message: message ?? "", stack: stack ?? "" };
}

/**
 * @param {unknown} value
 * @returns {string}
 */
function textOf(value) {
  return typeof value === "string" ? value : "";
}

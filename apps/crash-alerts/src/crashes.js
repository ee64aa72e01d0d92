/**
 * What a line of a container's log says: that a process ended by an error, that one has started, or nothing of
 * interest. Lines come from anywhere; none makes this throw.
 */

/**
 * @typedef {object} Ended a process ended by an error
 * @property {"ended"} kind
 * @property {string} event `crash`, or what else was logged as the last words: `start-failed`, `configuration`
 * @property {string} version
 * @property {string} message
 * @property {string} stack
 */

/** @typedef {{ kind: "started" }} Started a process listens */

/** Every line of interest has one of these words, and few others do: the platform searches for them. */
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
 * What the process wrote: the platform puts it, as the text `message`, into an object of its own.
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
 * A long line that the platform has cut: what its first part says.
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

/**
 * The log of a container: one JSON object per line. Lines go to standard output, except for the last one of a failing
 * process, which is written to standard error synchronously.
 */

import { writeSync } from "node:fs";
import { inspect } from "node:util";

const STDERR = 2;
const LONGEST_TEXT = 16_000;

/** @typedef {"info" | "warn" | "error" | "fatal"} Level */
/** @typedef {Readonly<Record<string, unknown>>} Fields */

export class Log {
  /**
   * @param {string} app
   * @param {string} version
   */
  constructor(app, version) {
    this.app = app;
    this.version = version;
  }

  /**
   * @param {string} event
   * @param {string} message
   * @param {Fields} [fields]
   */
  info(event, message, fields) {
    process.stdout.write(this.line("info", event, message, fields));
  }

  /**
   * @param {string} event
   * @param {string} message
   * @param {Fields} [fields]
   */
  warn(event, message, fields) {
    process.stdout.write(this.line("warn", event, message, fields));
  }

  /**
   * @param {string} event
   * @param {unknown} error
   * @param {Fields} [fields]
   */
  error(event, error, fields) {
    process.stdout.write(this.line("error", event, messageOf(error), { ...fields, stack: stackOf(error) }));
  }

  /**
   * Writes a line to standard error synchronously, so that the process may exit immediately.
   *
   * @param {string} event
   * @param {string} message
   * @param {Fields} [fields]
   */
  lastWords(event, message, fields) {
    writeWhole(this.line("fatal", event, message, fields));
  }

  /**
   * @param {Level} level
   * @param {string} event
   * @param {string} message
   * @param {Fields} [fields]
   * @returns {string}
   */
  line(level, event, message, fields = {}) {
    const { app, version } = this;
    return `${JSON.stringify({ time: new Date().toISOString(), level, event, app, version, message, ...fields })}\n`;
  }
}

/**
 * @param {unknown} error whatever was thrown
 * @returns {string}
 */
export function messageOf(error) {
  return presentable(error instanceof Error ? String(error.message) : inspect(error));
}

/**
 * The stack trace of an error and its causes; empty if there is none.
 *
 * @param {unknown} error whatever was thrown
 * @returns {string}
 */
export function stackOf(error) {
  const stacks = [];
  const seen = new Set();
  for (let cause = error; cause instanceof Error && !seen.has(cause); cause = cause.cause) {
    seen.add(cause);
    stacks.push(String(cause.stack));
  }
  return presentable(stacks.join("\nCaused by: "));
}

/**
 * Masks credentials in URLs, which drivers include in their errors.
 *
 * @param {string} text
 * @returns {string}
 */
function presentable(text) {
  const clean = text.replace(/:\/\/[^\s/@]+@/g, "://***@");
  return clean.length > LONGEST_TEXT ? `${clean.slice(0, LONGEST_TEXT)}…` : clean;
}

/** @param {string} text */
function writeWhole(text) {
  const bytes = Buffer.from(text);
  let written = 0;
  let patience = 200;
  while (written < bytes.length) {
    try {
      written += writeSync(STDERR, bytes, written);
    } catch (error) {
      // Retry while the pipe is full; give up if it is closed.
      const full = error instanceof Error && "code" in error && error.code === "EAGAIN";
      if (!full || patience-- === 0) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

import { messageOf, stackOf } from "./log.js";

/**
 * After an error that nobody caught the process is in no known state: one line says so, and it ends with status 1.
 * The platform starts a new one, and whoever reads the log finds the event `crash`.
 *
 * @param {import("./log.js").Log} log
 */
export function endOnCrash(log) {
  /** @param {unknown} error */
  const end = (error) => {
    try {
      log.lastWords("crash", messageOf(error), { stack: stackOf(error) });
    } catch {
      // Even an error that cannot be described is reported.
      log.lastWords("crash", "an error that cannot be described", { stack: "" });
    } finally {
      process.exit(1);
    }
  };
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
}

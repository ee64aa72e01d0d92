/**
 * The life cycle of a container's process: read variables, listen, boot, serve, and shut down gracefully.
 *
 * Exit codes: 0 after SIGTERM or SIGINT if all requests were answered; 1 after a crash, a failed start, or if requests
 * were aborted; 78 (EX_CONFIG of sysexits.h) if variables are missing or invalid.
 */

import { pathOf, sendJson } from "./answers.js";
import { Connections } from "./connections.js";
import { endOnCrash } from "./crash.js";
import { StartError } from "./errors.js";
import { Health } from "./health.js";
import { Log } from "./log.js";
import { SettingsError, examine, integer, text } from "./settings.js";

// `import` would evaluate all exports of node:http, including an HTTP client, and double the startup time.
const { createServer } = process.getBuiltinModule("node:http");

const EXIT_FAILED = 1;
const EXIT_CONFIGURATION = 78;
// Longer than the idle timeout of common proxies, so that the proxy closes the connection and no request is lost.
const KEEP_ALIVE_MILLISECONDS = 65_000;

const OWN_VARIABLES = {
  PORT: integer({ min: 0, max: 65_535, fallback: 8080 }),
  LISTEN_ADDRESS: text({ fallback: "" }),
  SHUTDOWN_SECONDS: integer({ min: 0, max: 3600, fallback: 8 }),
};

/** @typedef {import("./settings.js").Settings<typeof OWN_VARIABLES>} OwnSettings */

/**
 * @typedef {import("./answers.js").Request} Request
 * @typedef {import("./answers.js").Response} Response
 * @typedef {(request: Request, response: Response) => void | Promise<void>} Handler
 */

/**
 * The parts of an app.
 *
 * @template {import("./settings.js").Variables} V
 * @typedef {object} App
 * @property {string} app its name, for logs and `/health/version`
 * @property {V | (() => V)} variables environment variables
 * @property {(settings: import("./settings.js").Settings<V>, log: Log) => Booted | Promise<Booted>} boot
 *   prepares the app; until it resolves, requests are answered with 503
 * @property {(settings: import("./settings.js").Settings<V>) => Middleware} [middleware]
 *   handles every request first, including those for the health routes
 */

/** @typedef {(request: Request, response: Response) => boolean} Middleware returns whether it answered the request */

/**
 * @typedef {object} Booted
 * @property {Handler} handler
 * @property {() => void | Promise<void>} [close] runs after the last response, before the process ends
 */

/**
 * Runs an app until a signal ends it.
 *
 * @template {import("./settings.js").Variables} V
 * @param {App<V>} app
 * @returns {Promise<void>} resolves once the app is ready
 */
export async function runService(app) {
  const log = new Log(app.app, process.env.SNU_VERSION || "unversioned");
  endOnCrash(log);
  try {
    const own = examine(process.env, OWN_VARIABLES);
    const its = examine(process.env, typeof app.variables === "function" ? app.variables() : app.variables);
    const problems = [...own.problems, ...its.problems];
    if (problems.length > 0) throw new SettingsError(problems);
    const { boot, middleware } = app;
    const service = new Service(own.settings, log, middleware?.(its.settings));
    await service.start(() => boot(its.settings, log));
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    const wrong = error instanceof SettingsError;
    log.lastWords(wrong ? "configuration" : "start-failed", error.message, error.fields);
    process.exit(wrong ? EXIT_CONFIGURATION : EXIT_FAILED);
  }
}

class Service {
  /** @type {Booted | undefined} */
  #booted;
  #stopping = false;

  /**
   * @param {OwnSettings} settings
   * @param {Log} log
   * @param {Middleware} [middleware]
   */
  constructor(settings, log, middleware) {
    this.settings = settings;
    this.log = log;
    this.middleware = middleware;
    this.health = new Health(log.app, log.version);
    this.server = createServer({ keepAliveTimeout: KEEP_ALIVE_MILLISECONDS });
    this.connections = new Connections(this.server);
    this.server.on("request", (request, response) => void this.#serve(request, response));
  }

  /** @param {() => Booted | Promise<Booted>} boot */
  async start(boot) {
    for (const signal of /** @type {const} */ (["SIGTERM", "SIGINT"])) {
      process.on(signal, () => void this.#stop(signal));
    }
    const began = performance.now();
    const port = await this.#listen();
    this.log.info("listening", `Listening on port ${port}`, { port });
    this.#booted = await boot();
    if (this.#stopping) return;
    this.health.markStarted();
    const milliseconds = Math.round(performance.now() - began);
    this.log.info("started", `Ready after ${milliseconds} ms`, { milliseconds });
  }

  /** @returns {Promise<number>} the port, which the system chooses if PORT is 0 */
  #listen() {
    const { PORT, LISTEN_ADDRESS } = this.settings;
    return new Promise((resolve, reject) => {
      this.server.once("error", (error) => reject(cannotListen(error, PORT, LISTEN_ADDRESS)));
      const listening = () => {
        this.server.removeAllListeners("error");
        resolve(/** @type {import("node:net").AddressInfo} */ (this.server.address()).port);
      };
      // Without an address, Node listens on all addresses, including IPv6 if available.
      if (LISTEN_ADDRESS === "") this.server.listen(PORT, listening);
      else this.server.listen(PORT, LISTEN_ADDRESS, listening);
    });
  }

  /**
   * @param {Request} request
   * @param {Response} response
   */
  async #serve(request, response) {
    try {
      if (this.middleware?.(request, response) || this.health.answer(request, response)) return;
      if (this.#booted === undefined) {
        sendJson(response, 503, { error: "The app is starting." }, { "Retry-After": "1" });
        return;
      }
      await this.#booted.handler(request, response);
    } catch (error) {
      this.log.error("request-failed", error, { method: request.method, path: pathOf(request) });
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: "Internal error; see the log." });
    }
  }

  /** @param {NodeJS.Signals} signal */
  async #stop(signal) {
    if (this.#stopping) return this.#cutOff(`${signal} again`);
    this.#stopping = true;
    const seconds = this.settings.SHUTDOWN_SECONDS;
    const { requests } = this.connections;
    this.log.info("stopping", `${signal}: waiting up to ${seconds} s for ${requests} open requests`, { requests });
    setTimeout(() => this.#cutOff(`SHUTDOWN_SECONDS (${seconds} s) elapsed`), seconds * 1000).unref();
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.connections.drain();
    await closed;
    await this.#booted?.close?.();
    this.log.info("stopped", "All requests were answered");
    process.exit(0);
  }

  /** @param {string} reason */
  #cutOff(reason) {
    const { requests } = this.connections;
    this.log.warn("cut-off", `${reason}: ${requests} requests were aborted`, { requests });
    this.connections.cut();
    process.exit(EXIT_FAILED);
  }
}

/**
 * @param {Error & { code?: string }} error
 * @param {number} port
 * @param {string} address
 * @returns {StartError}
 */
function cannotListen(error, port, address) {
  const where = address === "" ? `port ${port}` : `port ${port} of ${address}`;
  const reasons = /** @type {Record<string, string>} */ ({
    EADDRINUSE: "the port is already in use. Stop the other process, or set PORT",
    EACCES: "permission denied. Set PORT to 1024 or higher",
    EADDRNOTAVAIL: "this machine does not have that address. Change LISTEN_ADDRESS, or unset it to use all addresses",
    ENOTFOUND: "the address is unknown. Change LISTEN_ADDRESS, or unset it to use all addresses",
  });
  return new StartError(`Cannot listen on ${where}: ${reasons[error.code ?? ""] ?? error.message}.`);
}

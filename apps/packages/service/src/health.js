import { pathOf, sendJson } from "./answers.js";

/**
 * The health routes of all containers: `startup` for the platform's startup probe, `live` for its liveness probe, and
 * `version` for the running version.
 */
export class Health {
  #started = false;

  /**
   * @param {string} app
   * @param {string} version
   */
  constructor(app, version) {
    this.app = app;
    this.version = version;
  }

  get started() {
    return this.#started;
  }

  markStarted() {
    this.#started = true;
  }

  /**
   * @param {import("./answers.js").Request} request
   * @param {import("./answers.js").Response} response
   * @returns {boolean} whether it was a health route and is answered
   */
  answer(request, response) {
    const route = this.#routes()[pathOf(request)];
    if (route === undefined) return false;
    if (request.method !== "GET" && request.method !== "HEAD") {
      sendJson(response, 405, { error: "Only GET and HEAD are allowed here." }, { Allow: "GET, HEAD" });
    } else {
      sendJson(response, ...route);
    }
    return true;
  }

  /** @returns {Record<string, [number, unknown]>} */
  #routes() {
    const { app, version } = this;
    return {
      "/health/startup": this.#started ? [200, { status: "started" }] : [503, { status: "starting" }],
      "/health/live": [200, { status: "live" }],
      "/health/version": [200, { app, version }],
    };
  }
}

import { setTimeout as wait } from "node:timers/promises";

import { pathOf, queryOf, sendJson } from "@snu/service";

import { eligibility, readDay } from "./eligibility.js";

const SLOWEST_SECONDS = 30;

/**
 * @param {import("./variables.js").ApiSettings} settings
 * @returns {import("@snu/service").Handler}
 */
export function routes(settings) {
  /** @type {Record<string, import("@snu/service").Handler>} */
  const table = {
    "GET /": (_, response) => sendJson(response, 200, { app: "api", tasks: settings.RUN_TASKS }),
    "GET /eligibility": answerEligibility,
    "GET /slow": answerSlowly,
  };
  if (settings.CRASH_ROUTE) table["POST /crash"] = crash;

  return (request, response) => {
    const path = pathOf(request);
    const method = request.method === "HEAD" ? "GET" : request.method;
    const route = table[`${method} ${path}`];
    if (route !== undefined) return route(request, response);
    const allowed = ["GET", "POST"].filter((other) => `${other} ${path}` in table);
    if (allowed.length === 0) return sendJson(response, 404, { error: "Path not found." });
    return sendJson(response, 405, { error: "This method is not allowed here." }, { Allow: allowed.join(", ") });
  };
}

/** @type {import("@snu/service").Handler} */
function answerEligibility(request, response) {
  const query = queryOf(request);
  const birthday = readDay(query.get("birthday") ?? "");
  const on = readDay(query.get("on") ?? new Date().toISOString().slice(0, 10));
  if (birthday === undefined || on === undefined) {
    const wrong = birthday === undefined ? "birthday" : "on";
    return sendJson(response, 400, { error: `The parameter ${wrong} must be a date in the form YYYY-MM-DD.` });
  }
  return sendJson(response, 200, eligibility(birthday, on));
}

/** For testing a shutdown with open requests. @type {import("@snu/service").Handler} */
async function answerSlowly(request, response) {
  const seconds = Number(queryOf(request).get("seconds") ?? "1");
  if (!(seconds >= 0 && seconds <= SLOWEST_SECONDS)) {
    return sendJson(response, 400, { error: `The parameter seconds must be from 0 to ${SLOWEST_SECONDS}.` });
  }
  await wait(seconds * 1000);
  return sendJson(response, 200, { seconds });
}

/** For testing a restart. @type {import("@snu/service").Handler} */
function crash(_, response) {
  sendJson(response, 202, { crashing: true });
  setImmediate(() => {
    throw new Error("POST /crash was asked for");
  });
}

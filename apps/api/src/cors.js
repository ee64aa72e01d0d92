import { originOf } from "@snu/service";

const METHODS = "GET, HEAD, POST";
const ONE_DAY_SECONDS = "86400";

/**
 * Allows cross-origin requests from pages at these URLs, and answers their preflight requests.
 *
 * @param {readonly string[]} addresses
 * @returns {import("@snu/service").Middleware}
 */
export function cors(addresses) {
  const origins = new Set(addresses.map(originOf));
  return (request, response) => {
    const { origin } = request.headers;
    response.setHeader("Vary", "Origin");
    const preflight = request.method === "OPTIONS" && "access-control-request-method" in request.headers;
    if (origin !== undefined && origins.has(origin)) {
      response.setHeader("Access-Control-Allow-Origin", origin);
      if (preflight) {
        response.setHeader("Access-Control-Allow-Methods", METHODS);
        response.setHeader("Access-Control-Allow-Headers", "Content-Type");
        response.setHeader("Access-Control-Max-Age", ONE_DAY_SECONDS);
      }
    }
    if (preflight) response.writeHead(204).end();
    return preflight;
  };
}

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import sirv from "sirv";

import { StartError, pathOf, runService, sendJson } from "@snu/service";

import { Page, acceptedEncodings } from "./page.js";
import { SECURITY_HEADERS, contentSecurityPolicy } from "./security.js";
import { substitute } from "./substitution.js";
import { connectedOrigins, frontVariables, listedVariables } from "./variables.js";

const ASSETS = "/assets/";
const TEMPLATE = "/index.html";
const LOOKS_LIKE_FILE = /\.[^/]*$/;

/**
 * A built front end.
 *
 * @typedef {object} Front
 * @property {string} app its name, for logs and `/health/version`
 * @property {URL} folder folder with `.env.example` and `dist/`
 * @property {import("./variables.js").Connections} connections variables with URLs that the page may call
 * @property {import("./security.js").Sources} [sources] additional sources of the content security policy, by directive
 */

/**
 * Serves a front end until a signal ends the process.
 *
 * @param {Front} front
 * @returns {Promise<void>} resolves once it is ready
 */
export async function serveFront({ app, folder, connections, sources = {} }) {
  await runService({
    app,
    variables: () => frontVariables(listedVariables(read(new URL(".env.example", folder))), connections),
    middleware: () => (_, response) => {
      for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
      return false;
    },
    boot: (values) => {
      const dist = new URL("dist/", folder);
      // Browsers normalize line endings before they compute a script's hash.
      const html = substitute(read(new URL("index.html", dist)).replace(/\r\n?/g, "\n"), values);
      const origins = connectedOrigins(values, connections);
      const connect = [...(sources["connect-src"] ?? []), ...origins];
      const policy = contentSecurityPolicy(html, { ...sources, "connect-src": connect });
      return { handler: serve(new Page(html, { "Content-Security-Policy": policy }), fileURLToPath(dist)) };
    },
  });
}

/**
 * @param {Page} page response for all routes, which the page's script distinguishes
 * @param {string} dist
 * @returns {import("@snu/service").Handler}
 */
function serve(page, dist) {
  const files = sirv(dist, {
    brotli: true,
    gzip: true,
    etag: true,
    extensions: [],
    setHeaders: (response, path) => {
      const hashed = path.startsWith(ASSETS);
      response.setHeader("Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-cache");
    },
  });
  return (request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return sendJson(response, 405, { error: "Only GET and HEAD are allowed here." }, { Allow: "GET, HEAD" });
    }
    const path = decoded(pathOf(request));
    // Range requests are ignored: the files are small, and an invalid range would make reading them fail.
    delete request.headers.range;
    // sirv ignores a trailing slash, and would send the page as it was built.
    if (path === "/" || path.replace(/\/$/, "") === TEMPLATE) return page.send(request, response);
    // sirv only searches for the names and ignores `br;q=0`.
    request.headers["accept-encoding"] = [...acceptedEncodings(request.headers["accept-encoding"])].join(", ");
    return files(request, response, () => {
      if (!path.startsWith(ASSETS) && !LOOKS_LIKE_FILE.test(path)) return page.send(request, response);
      return sendJson(response, 404, { error: "File not found." });
    });
  };
}

/**
 * @param {string} path
 * @returns {string} the path decoded like in sirv
 */
function decoded(path) {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

/**
 * @param {URL} file
 * @returns {string}
 * @throws {StartError}
 */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new StartError(`${fileURLToPath(file)} cannot be read (${reason}). Build the front first: npm run build`);
  }
}

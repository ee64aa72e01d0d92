/**
 * @typedef {import("node:http").IncomingMessage} Request
 * @typedef {import("node:http").ServerResponse} Response
 */

/**
 * @param {Response} response
 * @param {number} status
 * @param {unknown} body
 * @param {Readonly<Record<string, string>>} [headers]
 */
export function sendJson(response, status, body, headers = {}) {
  const text = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(status, {
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": text.length,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    ...headers,
  });
  response.end(response.req.method === "HEAD" ? undefined : text);
}

/**
 * The path without query; a request line may also hold a whole address.
 *
 * @param {Request} request
 * @returns {string}
 */
export function pathOf(request) {
  return address(request).pathname;
}

/**
 * @param {Request} request
 * @returns {URLSearchParams}
 */
export function queryOf(request) {
  return address(request).searchParams;
}

/**
 * @param {Request} request
 * @returns {URL}
 */
function address(request) {
  const target = request.url ?? "/";
  // "//host/path" is a path here, and would be a host to URL.
  return URL.parse(target.startsWith("/") ? `http://localhost${target}` : target) ?? new URL("http://localhost/");
}

import { createHash } from "node:crypto";
import { brotliCompressSync, gzipSync } from "node:zlib";

/**
 * @typedef {import("@snu/service").Request} Request
 * @typedef {import("@snu/service").Response} Response
 */

/** A page in memory. It differs between environments, so caches must revalidate it. */
export class Page {
  /**
   * @param {string} html
   * @param {Readonly<Record<string, string>>} headers
   */
  constructor(html, headers) {
    this.headers = headers;
    const plain = Buffer.from(html);
    this.etag = `"${createHash("sha256").update(plain).digest("base64url")}"`;
    /** @type {readonly (readonly [string, Buffer])[]} */
    this.bodies = [
      ["br", brotliCompressSync(plain)],
      ["gzip", gzipSync(plain)],
      ["identity", plain],
    ];
  }

  /**
   * @param {Request} request
   * @param {Response} response
   */
  send(request, response) {
    const etags = request.headers["if-none-match"]?.split(",").map((etag) => etag.trim().replace(/^W\//, "")) ?? [];
    const headers = { ...this.headers, "Cache-Control": "no-cache", Vary: "Accept-Encoding", ETag: this.etag };
    if (etags.includes(this.etag)) {
      response.writeHead(304, headers).end();
      return;
    }
    const accepted = acceptedEncodings(request.headers["accept-encoding"]);
    const [encoding, body] = this.bodies.find(([name]) => name === "identity" || accepted.has(name)) ?? ["", ""];
    response.writeHead(200, {
      ...headers,
      "Content-Type": "text/html; charset=utf-8",
      "Content-Length": body.length,
      ...(encoding === "identity" ? {} : { "Content-Encoding": encoding }),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  }
}

/**
 * @param {string | string[] | undefined} header `Accept-Encoding`
 * @returns {Set<string>} the accepted encodings, without those of quality 0
 */
export function acceptedEncodings(header) {
  const items = String(header ?? "").split(",").map((item) => item.trim().toLowerCase().split(/\s*;\s*/));
  return new Set(items.flatMap(([name, quality]) => (name && !/^q=0(\.0*)?$/.test(quality ?? "") ? [name] : [])));
}

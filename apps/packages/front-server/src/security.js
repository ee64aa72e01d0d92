import { createHash } from "node:crypto";

const SCRIPT = /<script\b([^>]*)>([\s\S]*?)<\/script>/gi;

/** @typedef {Readonly<Record<string, readonly string[]>>} Sources of a content security policy, by directive */

/** Headers of all responses. @type {Readonly<Record<string, string>>} */
export const SECURITY_HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  "Referrer-Policy": "strict-origin-when-cross-origin",
  // Only effective over HTTPS.
  "Strict-Transport-Security": "max-age=31536000",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};

/**
 * A content security policy that allows the front end's files, the inline scripts of its page and additional sources.
 *
 * @param {string} page the page as it is sent
 * @param {Sources} more
 * @returns {string}
 */
export function contentSecurityPolicy(page, more) {
  /** @type {Record<string, readonly string[]>} */
  const own = {
    "default-src": ["'none'"],
    "script-src": ["'self'", ...inlineScripts(page).map(hashSource)],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "manifest-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
  };
  for (const [directive, sources] of Object.entries(more)) {
    const before = (own[directive] ?? []).filter((source) => source !== "'none'");
    own[directive] = [...new Set([...before, ...sources])];
  }
  return Object.entries(own)
    .map(([directive, sources]) => [directive, ...sources].join(" "))
    .join("; ");
}

/**
 * @param {string} page
 * @returns {string[]}
 */
function inlineScripts(page) {
  const scripts = [...page.matchAll(SCRIPT)];
  return scripts.filter(([, attributes]) => !/\bsrc\s*=/i.test(attributes ?? "")).map(([, , content]) => content ?? "");
}

/**
 * @param {string} script
 * @returns {string}
 */
function hashSource(script) {
  return `'sha256-${createHash("sha256").update(script).digest("base64")}'`;
}

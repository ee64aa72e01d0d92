/**
 * Takes secrets out of texts: the values of the secret document in the forms that programs write them in, and whatever
 * looks like a secret.
 */

const SHORTEST_VALUE = 6;
const SHORTEST_BASE64 = 12;

/**
 * None takes more than a few steps for each character: lines come from anywhere.
 *
 * @type {readonly (readonly [RegExp, string])[]}
 */
const PATTERNS = [
  [/(\b[a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/@"']+@/gi, "$1***@"],
  [/\b(Bearer|Basic)(\s+)[\w.~+/=-]+/gi, "$1$2***"],
  [/\beyJ[\w-]{5,}\.[\w-]+(\.[\w-]*)?/g, "***"],
  [/\bSCW[A-Z0-9]{17}\b/g, "***"],
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, "***"],
  [
    /((?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|api[-_]?key|access[-_]?key)["']?\s*[:=]\s*["']?)[^\s"',;&)}]{3,}/gi,
    "$1***",
  ],
  [/(?<![\w.+-])[\w.+-]+@[\w-]+(\.[\w-]+)+/g, "***"],
  [/(?<![\w/.+=-])(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{32,}/g, "***"],
];

/**
 * Without what looks like a secret or like a person's address, whatever it is.
 *
 * @param {string} text
 * @returns {string}
 */
export function maskPatterns(text) {
  return PATTERNS.reduce((masked, [pattern, replacement]) => masked.replace(pattern, replacement), text);
}

/**
 * A mask for a secret document: each of its values becomes `[its key]`, then what else looks like a secret `***`.
 *
 * @param {Readonly<Record<string, unknown>>} document
 * @returns {(text: string) => string}
 */
export function maskOf(document) {
  /** @type {Map<string, string>} */
  const forms = new Map();
  for (const [key, value] of Object.entries(document)) {
    for (const secret of textsIn(value)) for (const form of formsOf(secret)) if (!forms.has(form)) forms.set(form, key);
  }
  // The longest first: a value may be a part of another one.
  const known = [...forms].sort(([a], [b]) => b.length - a.length);
  return (text) => maskPatterns(known.reduce((masked, [form, key]) => masked.replaceAll(form, `[${key}]`), text));
}

/**
 * A value's texts: of a list or an object all that it holds, of an address its password too.
 *
 * @param {unknown} value
 * @returns {string[]}
 */
function textsIn(value) {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(textsIn);
  const text = typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
  // No parser of addresses: databases' addresses name several hosts.
  const password = /:\/\/[^\s/:@]*:([^\s@]+)@/.exec(text)?.[1] ?? "";
  const lines = text.includes("\n") ? text.split("\n") : [];
  return [text, password, decoded(password), ...lines.map((line) => line.trim())];
}

/**
 * @param {string} secret
 * @returns {string[]}
 */
function formsOf(secret) {
  if (secret.length < SHORTEST_VALUE) return [];
  const json = JSON.stringify(secret).slice(1, -1);
  const written = [secret, encodeURIComponent(secret.toWellFormed()), json, JSON.stringify(json).slice(1, -1)];
  if (Buffer.byteLength(secret) < SHORTEST_BASE64) return written;
  return [...written, ...base64Of(secret, "base64"), ...base64Of(secret, "base64url")];
}

/**
 * The part of a text's base64 that is the same whatever stands before and after it, for each of its three places.
 *
 * @param {string} secret
 * @param {"base64" | "base64url"} alphabet
 * @returns {string[]}
 */
function base64Of(secret, alphabet) {
  return [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)]);
    const whole = Math.floor(bytes.length / 3) * 3;
    return bytes.subarray(0, whole).toString(alphabet).slice(before === 0 ? 0 : 4);
  });
}

/**
 * @param {string} text
 * @returns {string}
 */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Masks secrets in strings: the values of the secret document, and everything that looks like a secret. Also truncates
 * the strings.
 *
 * A string is searched as it is, and after each round of decoding percent-encoding, backslash escapes and entities. A
 * secret found in any of these readings is masked at its position in the original string.
 */

const SHORTEST_VALUE = 6;
const SHORTEST_BASE64 = 12;
const MOST_ROUNDS = 5;
/** Characters of a string that are examined. */
const MOST_READ = 64_000;
/** Characters that one escaped character of a secret may take, as in `\\\\u00e9`. */
const LONGEST_ESCAPE = 12;
const CUT = "…";

/** @typedef {(text: string, longest?: number) => string} Mask masks secrets and truncates the text */

/**
 * A string after some rounds of decoding.
 *
 * @typedef {object} Reading
 * @property {string} bytes in UTF-8, a character each
 * @property {Uint32Array} [starts] of each byte, where it starts in the string; absent: where it is
 * @property {Uint32Array} [ends]
 */

/** @typedef {{ start: number, end: number, label: string }} Span a secret, and what is written in its place */

const NAMES =
  "(?:pass(?:word|wd|phrase)?|pwd|mdp|mot[-_ ]?de[-_ ]?passe|secret|token|jeton|credentials?|(?:api|access|private)[-_]?key|cle[-_]?api)";

/**
 * Patterns of secrets. All take linear time, because input is untrusted.
 *
 * @type {readonly RegExp[]}
 */
const PATTERNS = [
  /\b[a-z][a-z0-9+.-]{0,30}:\/\/(?<secret>[^\s/@"']+)@/dgi,
  /\b(?:Bearer|Basic)\s+(?<secret>[\w.~+/=-]+)/dgi,
  /\b(?<secret>eyJ[\w-]{5,}\.[\w-]+(\.[\w-]*)?)/dg,
  /\b(?<secret>SCW[A-Z0-9]{17})\b/dg,
  /\b(?<secret>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/dgi,
  new RegExp(`${NAMES}["']?\\s*[:=]>?\\s*(["'])(?<secret>(?:\\\\.|(?!\\1)[^\\\\\\n])+)`, "dgi"),
  new RegExp(`${NAMES}["']?\\s*[:=]>?\\s*(?<secret>[^\\s"',;&)}]{3,})`, "dgi"),
  /(?<![\w.+-])(?<secret>[\w.+-]+@[\w-]+(\.[\w-]+)+)/dg,
  /(?<![\w/.+=-])(?<secret>(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{32,})/dg,
];

/**
 * Masks everything that looks like a secret or an e-mail address.
 *
 * @type {Mask}
 */
export const maskPatterns = maskOf({});

/**
 * Creates a mask for a secret document: replaces its values by `[key]`, and everything else that looks like a secret by
 * `***`.
 *
 * @param {Readonly<Record<string, unknown>>} document
 * @returns {Mask}
 */
export function maskOf(document) {
  /** @type {Map<string, string>} */
  const forms = new Map();
  let margin = 0;
  for (const [key, value] of Object.entries(document)) {
    for (const secret of textsIn(value)) {
      margin = Math.max(margin, secret.length * LONGEST_ESCAPE);
      for (const form of formsOf(secret)) if (!forms.has(form)) forms.set(form, `[${key}]`);
    }
  }
  return (text, longest = MOST_READ) => {
    const masked = replaced(text.slice(0, MOST_READ), spansIn(text.slice(0, MOST_READ), forms));
    // A secret that is cut off at the end is not recognized, so the part that may contain one is removed.
    const safe = text.length > MOST_READ ? masked.slice(0, Math.max(0, masked.length - margin)) + CUT : masked;
    return safe.length > longest ? `${safe.slice(0, longest - CUT.length).toWellFormed()}${CUT}` : safe;
  };
}

/**
 * @param {string} text
 * @param {ReadonlyMap<string, string>} forms
 * @returns {Span[]}
 */
function spansIn(text, forms) {
  /** @type {Span[]} */
  const found = [];
  for (const reading of readings(asItIs(text))) {
    found.push(...formsIn(reading, forms), ...patternsIn(reading));
    for (const inner of base64In(reading)) {
      for (const each of readings(inner)) found.push(...formsIn(each, forms));
    }
  }
  return found;
}

/**
 * @param {Reading} reading
 * @param {ReadonlyMap<string, string>} forms
 * @returns {Span[]}
 */
function formsIn(reading, forms) {
  const found = [];
  const bytes = withoutPlus(reading.bytes);
  for (const [form, label] of forms) {
    for (let at = bytes.indexOf(form); at >= 0; at = bytes.indexOf(form, at + 1)) {
      found.push({ ...placeOf(reading, at, at + form.length), label });
    }
  }
  return found;
}

/**
 * @param {Reading} reading
 * @returns {Span[]}
 */
function patternsIn(reading) {
  const found = [];
  for (const pattern of PATTERNS) {
    for (const { indices } of reading.bytes.matchAll(pattern)) {
      const [from, to] = indices?.groups?.secret ?? [0, 0];
      if (from < to) found.push({ ...placeOf(reading, from, to), label: "***" });
    }
  }
  return found;
}

/**
 * @param {Reading} reading
 * @param {number} from
 * @param {number} to
 */
function placeOf({ starts, ends }, from, to) {
  return { start: starts?.[from] ?? from, end: ends?.[to - 1] ?? to };
}

/**
 * @param {string} text
 * @param {Span[]} spans in any order; those that overlap become one
 * @returns {string}
 */
function replaced(text, spans) {
  spans.sort((a, b) => a.start - b.start || b.end - a.end);
  const parts = [];
  let written = 0;
  for (let next = 0; next < spans.length; ) {
    const { start, label: first } = /** @type {Span} */ (spans[next]);
    let [end, label] = [start, first];
    for (let span = spans[next]; span !== undefined && span.start < Math.max(end, start + 1); span = spans[++next]) {
      end = Math.max(end, span.end);
      if (label === "***") label = span.label;
    }
    parts.push(text.slice(written, start), label);
    written = end;
  }
  return parts.join("") + text.slice(written);
}

// --- readings of a string ------------------------------------------------------------------------

const ESCAPE =
  /%([0-9a-f]{2})|\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|\\([\\"'/bfnrt])|&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos));/gi;
const BASE64 = /[\w+/-]{12,}/g;
const NO_ASCII = /[^\0-\x7f]/;
/** @type {Readonly<Record<string, string>>} */
const SHORT = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/**
 * @param {Reading} first
 * @returns {Generator<Reading>} the first one, and what each round of decoding makes of it
 */
function* readings(first) {
  /** @type {Reading | undefined} */
  let reading = first;
  for (let round = 0; reading !== undefined && round <= MOST_ROUNDS; round++) {
    yield reading;
    reading = decoded(reading);
  }
}

/**
 * @param {string} text
 * @returns {Reading}
 */
function asItIs(text) {
  if (!NO_ASCII.test(text)) return { bytes: text };
  const writer = new Writer(text.length * 3);
  let at = 0;
  for (const character of text) {
    writer.write(bytesOf(character), at, (at += character.length));
  }
  return writer.reading();
}

/**
 * @param {Reading} reading
 * @returns {Reading | undefined} undefined: nothing is escaped
 */
function decoded({ bytes, starts, ends }) {
  const writer = new Writer(bytes.length);
  let at = 0;
  const copy = (/** @type {number} */ to) => {
    for (; at < to; at++) writer.write(bytes.charAt(at), starts?.[at] ?? at, ends?.[at] ?? at + 1);
  };
  for (const match of bytes.matchAll(ESCAPE)) {
    copy(match.index);
    const end = match.index + match[0].length;
    writer.write(unescaped(match), starts?.[at] ?? at, ends?.[end - 1] ?? end);
    at = end;
  }
  if (at === 0) return undefined;
  copy(bytes.length);
  return writer.reading();
}

/**
 * @param {RegExpExecArray} match of `ESCAPE`
 * @returns {string} bytes
 */
function unescaped([, percent, high, low, unit, x, short, decimal, hexadecimal, entity]) {
  if (percent !== undefined) return String.fromCharCode(Number.parseInt(percent, 16));
  const name = short ?? entity?.toLowerCase();
  if (name !== undefined) return SHORT[name] ?? name;
  if (high !== undefined && low !== undefined) {
    return bytesOf(String.fromCharCode(Number.parseInt(high, 16), Number.parseInt(low, 16)));
  }
  const code = decimal === undefined ? Number.parseInt(unit ?? x ?? hexadecimal ?? "", 16) : Number(decimal);
  return bytesOf(code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code));
}

/**
 * @param {Reading} reading
 * @returns {Generator<Reading>} of each part that may be base64, what it is then
 */
function* base64In(reading) {
  for (const { 0: part, index } of reading.bytes.matchAll(BASE64)) {
    const bytes = Buffer.from(part, "base64").toString("latin1");
    const writer = new Writer(bytes.length);
    for (let at = 0; at < bytes.length; at++) {
      // Four characters are three bytes.
      const first = index + Math.floor((at * 4) / 3);
      const { start, end } = placeOf(reading, first, Math.min(first + 2, index + part.length));
      writer.write(bytes.charAt(at), start, end);
    }
    yield writer.reading();
  }
}

/** Collects bytes with their positions in the original string. */
class Writer {
  /** @type {string[]} */
  #bytes = [];
  #length = 0;

  /** @param {number} most bytes */
  constructor(most) {
    this.starts = new Uint32Array(most);
    this.ends = new Uint32Array(most);
  }

  /**
   * @param {string} bytes
   * @param {number} start
   * @param {number} end
   */
  write(bytes, start, end) {
    this.#bytes.push(bytes);
    this.starts.fill(start, this.#length, this.#length + bytes.length);
    this.ends.fill(end, this.#length, (this.#length += bytes.length));
  }

  /** @returns {Reading} */
  reading() {
    return { bytes: this.#bytes.join(""), starts: this.starts, ends: this.ends };
  }
}

/** @param {string} text */
function bytesOf(text) {
  return Buffer.from(text).toString("latin1");
}

/**
 * Replaces plus signs, which stand for spaces in form data.
 *
 * @param {string} bytes
 */
function withoutPlus(bytes) {
  return bytes.replaceAll("+", " ");
}

// --- forms of a secret ---------------------------------------------------------------------------

/**
 * The secret strings of a value: all strings in lists and objects, their lines, and passwords in URLs.
 *
 * @param {unknown} value
 * @returns {string[]}
 */
function textsIn(value) {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(textsIn);
  const text = typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
  // Not parsed as a URL, because database URLs may have several hosts.
  const password = /:\/\/[^\s/:@]*:([^\s@]+)@/.exec(text)?.[1] ?? "";
  return [text, password, ...(text.includes("\n") ? text.split("\n") : [])].map((each) => each.trim());
}

/**
 * The forms in which a secret may occur: as it is and after each round of decoding, in hexadecimal, and in base64 at
 * any offset.
 *
 * @param {string} secret
 * @returns {string[]}
 */
function formsOf(secret) {
  if (secret.length < SHORTEST_VALUE) return [];
  const forms = [...readings(asItIs(secret))].map(({ bytes }) => bytes).filter((bytes) => bytes.length >= SHORTEST_VALUE);
  const hexadecimal = Buffer.from(secret).toString("hex");
  forms.push(hexadecimal, hexadecimal.toUpperCase());
  if (Buffer.byteLength(secret) >= SHORTEST_BASE64) {
    forms.push(...base64Of(secret, "base64"), ...base64Of(secret, "base64url"));
  }
  return forms.map(withoutPlus);
}

/**
 * The part of a text's base64 encoding that does not depend on its surroundings, for each of the three possible
 * offsets.
 *
 * @param {string} text
 * @param {"base64" | "base64url"} alphabet
 * @returns {string[]}
 */
function base64Of(text, alphabet) {
  return [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
    const whole = Math.floor(bytes.length / 3) * 3;
    return bytes.subarray(0, whole).toString(alphabet).slice(before === 0 ? 0 : 4);
  });
}

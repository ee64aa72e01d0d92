import { getJson } from "./http.js";

// Loki returns up to 5000 lines per page. A line may exceed 16 KB, and a page has to fit into a small job's memory.
export const PAGE_LINES = 1000;
const SECONDS = 60;

/**
 * @typedef {object} Line
 * @property {bigint} time in nanoseconds since 1970
 * @property {string} containerId
 * @property {string} text the platform's JSON object, which wraps the line of the process
 */

/**
 * Reads the lines from `start` to `end` (exclusive), oldest first, page by page.
 *
 * If a page ends within a nanosecond, the next page starts with that nanosecond, and duplicates are removed. If a
 * nanosecond has more lines than a page, the rest is skipped: Loki has no other way to page.
 *
 * @param {Pick<import("./settings.js").Access, "logsUrl" | "logsToken">} access
 * @param {readonly string[]} containerIds
 * @param {RegExp} words only lines that match are read
 * @param {bigint} start
 * @param {bigint} end
 * @param {number} [limit]
 * @returns {AsyncGenerator<Line[]>}
 */
export async function* readLines(access, containerIds, words, start, end, limit = PAGE_LINES) {
  if (containerIds.length === 0) return;
  const query = selector(containerIds, words);
  let from = start;
  /** @type {Set<string>} */
  let known = new Set();
  while (from < end) {
    const page = await queryRange(access, query, from, end, limit);
    const fresh = page.filter((line) => !known.has(keyOf(line)));
    if (fresh.length > 0) yield fresh;
    const last = page.at(-1);
    if (page.length < limit || last === undefined) return;
    const stuck = last.time === from && fresh.length === 0;
    known = stuck ? new Set() : new Set(page.filter((line) => line.time === last.time).map(keyOf));
    from = stuck ? last.time + 1n : last.time;
  }
}

/**
 * @param {readonly string[]} containerIds
 * @param {RegExp} words
 * @returns {string}
 */
function selector(containerIds, words) {
  const ids = containerIds.join("|");
  return `{resource_type="serverless_container", resource_id=~"${ids}"} |~ ${JSON.stringify(words.source)}`;
}

/**
 * @param {Pick<import("./settings.js").Access, "logsUrl" | "logsToken">} access
 * @param {string} query
 * @param {bigint} start
 * @param {bigint} end
 * @param {number} limit
 * @returns {Promise<Line[]>}
 */
async function queryRange(access, query, start, end, limit) {
  const url = new URL(`${access.logsUrl.replace(/\/+$/, "")}/loki/api/v1/query_range`);
  const asked = { query, start: String(start), end: String(end), limit: String(limit), direction: "forward" };
  url.search = String(new URLSearchParams(asked));
  const answer = await getJson("Cannot read the logs from Cockpit", url, { "X-Token": access.logsToken }, SECONDS);
  /** @type {Line[]} */
  const lines = [];
  for (const { stream, values } of answer.data?.result ?? []) {
    const containerId = String(stream?.resource_id ?? "");
    for (const [time, text] of values ?? []) lines.push({ time: BigInt(time), containerId, text: String(text) });
  }
  return lines.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}

/**
 * @param {Line} line
 * @returns {string}
 */
function keyOf({ time, containerId, text }) {
  return `${time} ${containerId} ${text}`;
}

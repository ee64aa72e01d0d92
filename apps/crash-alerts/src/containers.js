import { getJson } from "./http.js";

const PAGE_SIZE = 100;
const SECONDS = 30;

/**
 * @typedef {object} Container
 * @property {string} id
 * @property {string} name
 * @property {string} app its name without the environment's name
 * @property {string} status
 * @property {string} problem the platform's error message; empty if there is none
 * @property {string} image
 * @property {number} maxScale
 */

/**
 * Lists the containers of the namespace.
 *
 * @param {import("./settings.js").Access} access
 * @param {string} namespaceId
 * @param {string} environment
 * @returns {Promise<Container[]>}
 */
export async function listContainers(access, namespaceId, environment) {
  const bare = namespaceId.split("/").at(-1) ?? namespaceId;
  const region = namespaceId.includes("/") ? namespaceId.split("/", 1)[0] : access.region;
  /** @type {Container[]} */
  const found = [];
  for (let page = 1; ; page++) {
    const url = new URL(`${access.apiUrl}/containers/v1/regions/${region}/containers`);
    url.search = String(new URLSearchParams({ namespace_id: bare, page: String(page), page_size: String(PAGE_SIZE) }));
    const answer = await getJson("Cannot list the containers", url, { "X-Auth-Token": access.secretKey }, SECONDS);
    const listed = Array.isArray(answer.containers) ? answer.containers : [];
    found.push(...listed.map((/** @type {any} */ each) => read(each, environment)));
    if (listed.length === 0 || found.length >= Number(answer.total_count ?? 0)) return found;
  }
}

/**
 * @param {any} answer
 * @param {string} environment
 * @returns {Container}
 */
function read(answer, environment) {
  const name = String(answer.name);
  return {
    id: String(answer.id),
    name,
    app: name.startsWith(`${environment}-`) ? name.slice(environment.length + 1) : name,
    status: String(answer.status),
    problem: String(answer.error_message ?? ""),
    image: String(answer.image ?? ""),
    maxScale: Number(answer.max_scale ?? 1),
  };
}

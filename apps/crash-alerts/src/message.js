/** Formats messages for Slack: Block Kit within Slack's limits, with all markup in log lines escaped. */

const LONGEST_HEADER = 150;
const LONGEST_SECTION = 3000;

/**
 * @param {string} environment
 * @param {import("./state.js").Message} message
 * @returns {{ text: string, blocks: object[] }}
 */
export function slackMessage(environment, message) {
  const head = headOf(environment, message);
  const facts = factsOf(environment, message).map(([name, value]) => `*${name}* ${escape(value)}`);
  /** @type {object[]} */
  const blocks = [
    { type: "header", text: { type: "plain_text", text: shorten(head, LONGEST_HEADER), emoji: false } },
    section(escape(message.title)),
    section(facts.join("\n")),
  ];
  if (message.detail !== "") blocks.push(section(codeBlock(message.detail)));
  const where = whereToRead(message);
  if (where !== "") blocks.push({ type: "context", elements: [{ type: "mrkdwn", text: where }] });
  return { text: escape(shorten(`${head}: ${message.title}`, LONGEST_SECTION / 6)), blocks };
}

/**
 * The message without blocks, in case Slack rejects them.
 *
 * @param {{ text: string }} message
 * @returns {{ text: string }}
 */
export function plainMessage({ text }) {
  return { text };
}

/**
 * @param {string} environment
 * @param {import("./state.js").Message} message
 */
function headOf(environment, { kind, app, count }) {
  const times = count === 1 ? "once" : `${count} times`;
  switch (kind) {
    case "crash":
      return `${environment}: ${app} ended with an error, ${times}`;
    case "more":
      return `${environment}: ${app}, same error ${count === 1 ? "once more" : `${count} more times`}`;
    case "loop":
      return `${environment}: ${app} restarts in a loop`;
    case "status":
      return `${environment}: ${app} is in error`;
    case "gap":
      return `${environment}: logs were missed`;
    case "left-out":
      return `${environment}: ${count} more crashes`;
  }
}

/**
 * @param {string} environment
 * @param {import("./state.js").Message} message
 * @returns {[string, string][]}
 */
function factsOf(environment, { kind, app, version, count, since, until, apps }) {
  /** @type {[string, string][]} */
  const facts = [["Environment", environment]];
  if (app !== "") facts.push(["App", app]);
  if (version !== "") facts.push(["Version", version]);
  if (apps !== undefined) facts.push(["Apps", Object.entries(apps).map(([name, n]) => `${name} ${n}`).join(", ")]);
  if (kind === "crash" || kind === "more") facts.push(["Count", String(count)]);
  facts.push(["Since", moment(since)]);
  if (until - since >= 1000) facts.push(["Until", moment(until)]);
  return facts;
}

/** @param {import("./state.js").Message} message */
function whereToRead({ kind, containerId, since }) {
  if (kind === "more") return "The first message about this error has the log query.";
  if (kind === "gap") return "";
  const resource = containerId === "" ? "" : `, resource_id="${escape(containerId)}"`;
  const query = `{resource_type="serverless_container"${resource}}`;
  return `Logs: Grafana (Cockpit of the project), Explore, \`${query}\`, from ${moment(since)}`;
}

/** @param {number} time */
function moment(time) {
  return `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** @param {string} text as mrkdwn */
function section(text) {
  return { type: "section", text: { type: "mrkdwn", text: cut(text, LONGEST_SECTION) } };
}

/** @param {string} text */
function codeBlock(text) {
  const fence = "```";
  return `${fence}\n${cut(escape(text.replaceAll(fence, "'''")), LONGEST_SECTION - 8)}\n${fence}`;
}

/**
 * @param {string} text
 * @returns {string}
 */
export function escape(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/**
 * Truncates escaped text without splitting an entity.
 *
 * @param {string} text
 * @param {number} longest
 */
function cut(text, longest) {
  return text.length <= longest ? text : `${text.slice(0, longest - 1).replace(/&\w*$/, "").toWellFormed()}…`;
}

/**
 * @param {string} text
 * @param {number} longest
 */
function shorten(text, longest) {
  return text.length <= longest ? text : `${text.slice(0, longest - 1).toWellFormed()}…`;
}

export { pathOf, queryOf, sendJson } from "./answers.js";
export { endOnCrash } from "./crash.js";
export { StartError } from "./errors.js";
export { Log } from "./log.js";
export { runService } from "./service.js";
export { SettingsError, examine, flag, integer, originOf, text, webAddress } from "./settings.js";

/**
 * @typedef {import("./answers.js").Request} Request
 * @typedef {import("./log.js").Fields} Fields
 * @typedef {import("./log.js").Level} Level
 * @typedef {import("./answers.js").Response} Response
 * @typedef {import("./service.js").Booted} Booted
 * @typedef {import("./service.js").Handler} Handler
 * @typedef {import("./service.js").Middleware} Middleware
 */
/**
 * @template {import("./settings.js").Variables} V
 * @typedef {import("./settings.js").Settings<V>} SettingsOf
 */
/**
 * @template T
 * @typedef {import("./settings.js").Reader<T>} Reader
 */

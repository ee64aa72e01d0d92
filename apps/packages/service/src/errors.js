/**
 * The process cannot start, and somebody can change that: the message says how, and no stack trace is shown.
 */
export class StartError extends Error {
  /**
   * @param {string} message
   * @param {Readonly<Record<string, unknown>>} [fields] more fields of the line in the log
   */
  constructor(message, fields = {}) {
    super(message);
    this.name = "StartError";
    this.fields = fields;
  }
}

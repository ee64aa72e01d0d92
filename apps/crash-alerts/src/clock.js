/**
 * The clock of a run: this machine's if it agrees with object storage's, otherwise object storage's. It is monotonic,
 * so that changes of the system time during the run have no effect.
 */

/** Maximum difference of the two clocks in milliseconds; less than the delay with which log lines arrive. */
export const TOLERANCE = 5000;
const SECOND = 1000;

export class Clock {
  #begin;
  #began = performance.now();

  /** @param {number} begin milliseconds since 1970: now */
  constructor(begin) {
    this.#begin = begin;
  }

  /** @returns {number} milliseconds since 1970 */
  now() {
    return Math.floor(this.#begin + performance.now() - this.#began);
  }
}

/**
 * @typedef {object} Reckoning
 * @property {Clock} clock
 * @property {number} ahead milliseconds by which this machine's clock is ahead of object storage's, or behind where
 *   negative; 0 within the tolerance
 */

/**
 * @param {string | null} date the `Date` header of a response, in whole seconds
 * @param {number} asked when the request was sent, by this machine's clock
 * @param {number} answered when the response arrived
 * @returns {Reckoning | undefined} undefined if the header is not a date
 */
export function clockFrom(date, asked, answered) {
  const said = Date.parse(date ?? "");
  if (Number.isNaN(said)) return undefined;
  const agrees = asked - TOLERANCE <= said + SECOND && said <= answered + TOLERANCE;
  return { clock: new Clock(agrees ? answered : said), ahead: agrees ? 0 : answered - said };
}

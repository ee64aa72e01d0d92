/**
 * The time of a run: this machine's where object storage agrees with it, else object storage's. It goes on by itself,
 * so that a clock that is set meanwhile changes nothing.
 */

/** Milliseconds that two clocks may differ: less than lines take to arrive. */
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
 * @param {string | null} date the header of an answer, in whole seconds
 * @param {number} asked when the question was sent, by this machine's clock
 * @param {number} answered
 * @returns {Reckoning | undefined} undefined: the header is no date
 */
export function clockFrom(date, asked, answered) {
  const said = Date.parse(date ?? "");
  if (Number.isNaN(said)) return undefined;
  const agrees = asked - TOLERANCE <= said + SECOND && said <= answered + TOLERANCE;
  return { clock: new Clock(agrees ? answered : said), ahead: agrees ? 0 : answered - said };
}

const YOUNGEST = 15;
const OLDEST = 17;

/**
 * @param {string} text
 * @returns {string | undefined} the text, when it is a day of the calendar, written YYYY-MM-DD
 */
export function readDay(text) {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : undefined;
  return day !== undefined && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text) ? text : undefined;
}

/**
 * The age in whole years on a day; both are written YYYY-MM-DD.
 *
 * @param {string} birthday
 * @param {string} on
 * @returns {number}
 */
export function ageOn(birthday, on) {
  const years = Number(on.slice(0, 4)) - Number(birthday.slice(0, 4));
  return on.slice(5) < birthday.slice(5) ? years - 1 : years;
}

/**
 * Whether somebody born on a day may take part in a stay that begins on another.
 *
 * @param {string} birthday
 * @param {string} on
 */
export function eligibility(birthday, on) {
  const age = ageOn(birthday, on);
  return { birthday, on, age, eligible: age >= YOUNGEST && age <= OLDEST };
}

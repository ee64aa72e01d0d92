const YOUNGEST = 15;
const OLDEST = 17;

/**
 * @param {string} text
 * @returns {string | undefined} the text if it is a valid date in the form YYYY-MM-DD
 */
export function readDay(text) {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : undefined;
  return day !== undefined && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text) ? text : undefined;
}

/**
 * The age in whole years on a date; both have the form YYYY-MM-DD.
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
 * Whether a person with this birthday may take part in a stay that begins on a date.
 *
 * @param {string} birthday
 * @param {string} on
 */
export function eligibility(birthday, on) {
  const age = ageOn(birthday, on);
  return { birthday, on, age, eligible: age >= YOUNGEST && age <= OLDEST };
}

import assert from "node:assert/strict";
import { test } from "node:test";

import { SettingsError, examine, flag, integer, text, webAddress } from "../src/settings.js";

const variables = {
  COUNT: integer({ min: 1, max: 5, fallback: 2 }),
  SWITCH: flag({ fallback: false }),
  SITE: webAddress(),
  NAME: text(),
};

test("values are read, and fallbacks are taken", () => {
  const { settings, problems } = examine({ SITE: "https://snu.example/a", NAME: "", COUNT: "" }, variables);
  assert.deepEqual(problems, []);
  assert.deepEqual({ ...settings }, { COUNT: 2, SWITCH: false, SITE: "https://snu.example/a", NAME: "" });
});

test("all problems are found at once", () => {
  const { problems } = examine({ COUNT: "6", SWITCH: "yes", SITE: "" }, variables);
  assert.deepEqual(
    problems.map(({ variable, problem }) => [variable, problem]),
    [["COUNT", "wrong"], ["SWITCH", "wrong"], ["SITE", "missing"], ["NAME", "missing"]],
  );
});

for (const wrong of ["0", "1.5", "0x2", " 2", "-1", "1e0", "٣"]) {
  test(`not an integer from 1 to 5: ${wrong}`, () => {
    assert.equal(variables.COUNT.parse(wrong), undefined);
  });
}

for (const wrong of ["snu.example", "ftp://snu.example", "javascript:alert(1)", "https://", "//snu.example"]) {
  test(`no address of the web: ${wrong}`, () => {
    assert.equal(variables.SITE.parse(wrong), undefined);
  });
}

test("an error says what is allowed, and no value", () => {
  const { problems } = examine({ SITE: "s3cret" }, { SITE: webAddress() });
  const error = new SettingsError(problems);
  assert.match(error.message, /^1 variable is missing or wrong: SITE is wrong \(expected: a URL .*https:\/\/\)/);
  assert.doesNotMatch(JSON.stringify(error.fields) + error.message, /s3cret/);
});

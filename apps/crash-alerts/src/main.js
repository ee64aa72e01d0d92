/**
 * Entry point of the job, which does one run. Exit codes: 0 if the run succeeded or another run is active, 1 if it
 * failed, 78 (EX_CONFIG of sysexits.h) if variables or files are missing or invalid.
 */

import { SettingsError, StartError, endOnCrash, examine } from "@snu/service";

import { AnswerError } from "./http.js";
import { maskOf } from "./mask.js";
import { OutgoingLog } from "./outgoing.js";
import { run } from "./run.js";
import { addressIn, readAccess, readDocument, variables } from "./settings.js";
import { ConflictError } from "./storage.js";

const EXIT_FAILED = 1;
const EXIT_CONFIGURATION = 78;
const HEARTBEAT_SECONDS = 10;

const log = new OutgoingLog("crash-alerts", process.env.SNU_VERSION || "unversioned");
endOnCrash(log);

try {
  const { settings, problems } = examine(process.env, variables);
  if (problems.length > 0) throw new SettingsError(problems);
  const access = readAccess(settings.ACCESS_FILE);
  const document = readDocument(settings.DOCUMENT_FILE);
  const mask = (log.mask = maskOf({ ...document, "the job's access": [access.logsToken, access.secretKey] }));
  const outcome = await run({ settings, access, webhook: addressIn(document, settings.WEBHOOK_KEY), mask, log });
  if (outcome === "held") log.info("held", "Another run is active; this one does nothing");
  else await beat(document);
} catch (error) {
  if (error instanceof StartError) {
    log.lastWords("configuration", error.message, error.fields);
    process.exitCode = EXIT_CONFIGURATION;
  } else if (error instanceof AnswerError || error instanceof ConflictError) {
    log.error("run-failed", error);
    process.exitCode = EXIT_FAILED;
  } else {
    throw error;
  }
}

/**
 * Notifies the heartbeat service, if the secret document has its URL, that a run succeeded.
 *
 * @param {import("./settings.js").SecretDocument} document
 */
async function beat(document) {
  if (document.HEARTBEAT_URL === undefined) return;
  try {
    await fetch(addressIn(document, "HEARTBEAT_URL"), { signal: AbortSignal.timeout(HEARTBEAT_SECONDS * 1000) });
  } catch {
    log.warn("heartbeat", "The service at HEARTBEAT_URL could not be reached");
  }
}

import { flag, integer, webAddress } from "@snu/service";

/** Environment variables of the api, in addition to those of all services: see docs/reference/apps.md. */
export const variables = {
  ADMIN_URL: webAddress(),
  APP_URL: webAddress(),
  RUN_TASKS: flag({ fallback: false }),
  BOOT_SECONDS: integer({ min: 0, max: 600, fallback: 0 }),
  CRASH_ROUTE: flag({ fallback: false }),
};

/** @typedef {import("@snu/service").SettingsOf<typeof variables>} ApiSettings */

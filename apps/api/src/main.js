import { runService } from "@snu/service";

import { cors } from "./cors.js";
import { routes } from "./routes.js";
import { variables } from "./variables.js";

await runService({
  app: "api",
  variables,
  middleware: ({ ADMIN_URL, APP_URL }) => cors([ADMIN_URL, APP_URL]),
  boot: async (settings) => {
    // Simulates connecting to databases.
    await new Promise((resolve) => setTimeout(resolve, settings.BOOT_SECONDS * 1000));
    return { handler: routes(settings) };
  },
});

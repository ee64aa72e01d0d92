import { serveFront } from "@snu/front-server";

await serveFront({
  app: "admin",
  folder: new URL("./", import.meta.url),
  connections: { required: ["VITE_API_URL"], optional: ["VITE_SENTRY_URL"] },
});

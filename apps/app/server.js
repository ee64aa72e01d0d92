import { serveFront } from "@snu/front-server";

await serveFront({
  app: "app",
  folder: new URL("./", import.meta.url),
  connections: { required: ["VITE_API_URL"], optional: ["VITE_SENTRY_URL"] },
});

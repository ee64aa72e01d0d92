import importMetaEnv from "@import-meta-env/unplugin";
import react from "@vitejs/plugin-react";

import { compressed } from "./compressed.js";

/**
 * The Vite configuration of a front end that is built once for all environments.
 *
 * The variables in `.env.example` are read at runtime, when `@snu/front-server` has inserted them into the page. No
 * other variables are available to the build.
 *
 * @returns {import("vite").UserConfig}
 */
export function frontConfig() {
  return {
    plugins: [react(), importMetaEnv.vite({ example: ".env.example" }), compressed()],
    // An unused prefix, so that Vite does not put VITE_* variables of the build into the bundle.
    envPrefix: "BUILD_TIME_",
    build: {
      // The content security policy does not allow inlined assets.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
  };
}

import importMetaEnv from "@import-meta-env/unplugin";
import react from "@vitejs/plugin-react";

import { compressed } from "./compressed.js";

/**
 * Vite's configuration of a front that is built once for all environments.
 *
 * The variables that `.env.example` lists are read when the page is opened; `@snu/front-server` puts them there. No
 * other variable reaches the build.
 *
 * @returns {import("vite").UserConfig}
 */
export function frontConfig() {
  return {
    plugins: [react(), importMetaEnv.vite({ example: ".env.example" }), compressed()],
    // Vite would put the build's own VITE_* into the bundle; nothing has this prefix.
    envPrefix: "BUILD_TIME_",
    build: {
      // The content security policy allows files only.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
  };
}

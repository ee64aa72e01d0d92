import { defineConfig } from "vite";

import { frontConfig } from "@snu/front-build";

export default defineConfig(frontConfig());

import type { ReactNode } from "react";

import { useJson } from "./useJson.ts";

interface AppVersion {
  app: string;
  version: string;
}

function isAppVersion(value: unknown): value is AppVersion {
  return typeof value === "object" && value !== null && "app" in value && "version" in value;
}

/** The version of the app at a URL; an empty URL stands for the page's own server. */
export function Version({ address }: { address: string }): ReactNode {
  const loaded = useJson(`${address.replace(/\/+$/, "")}/health/version`, isAppVersion);
  if (loaded.state === "loading") return <output>…</output>;
  if (loaded.state === "failed") return <output className="failed">injoignable</output>;
  return <output>{`${loaded.value.app} ${loaded.value.version}`}</output>;
}

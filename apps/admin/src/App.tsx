import type { ReactNode } from "react";

import { EnvironmentPage, Layout, Version } from "@snu/ui";

import { environment } from "./environment.ts";

const LINKS = {
  Accueil: "/",
  Environnement: "/environment",
  "Mon compte": environment.VITE_APP_URL,
  Assistance: environment.VITE_SUPPORT_URL,
};

export function App({ path }: { path: string }): ReactNode {
  return (
    <Layout title="SNU – Administration" links={LINKS}>
      <Page path={path} />
    </Layout>
  );
}

function Page({ path }: { path: string }): ReactNode {
  if (path === "/environment") {
    const hidden = ["VITE_USERBACK_ACCESS_TOKEN"];
    return <EnvironmentPage apiUrl={environment.VITE_API_URL} variables={environment} hidden={hidden} />;
  }
  if (path !== "/") return <h1>Page introuvable</h1>;
  return (
    <>
      <h1>Administration</h1>
      <p>
        API : <Version address={environment.VITE_API_URL} />
      </p>
    </>
  );
}

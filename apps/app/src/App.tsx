import type { ReactNode } from "react";

import { EnvironmentPage, Layout } from "@snu/ui";

import { Eligibility } from "./Eligibility.tsx";
import { environment } from "./environment.ts";

const LINKS = {
  Accueil: "/",
  Environnement: "/environment",
  Administration: environment.VITE_ADMIN_URL,
  Assistance: environment.VITE_SUPPORT_URL,
};

export function App({ path }: { path: string }): ReactNode {
  return (
    <Layout title="SNU – Mon compte" links={LINKS}>
      <Page path={path} />
    </Layout>
  );
}

function Page({ path }: { path: string }): ReactNode {
  if (path === "/environment") return <EnvironmentPage apiUrl={environment.VITE_API_URL} variables={environment} />;
  if (path !== "/") return <h1>Page introuvable</h1>;
  return <Eligibility apiUrl={environment.VITE_API_URL} />;
}

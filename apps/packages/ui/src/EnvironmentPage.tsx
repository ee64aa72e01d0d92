import type { ReactNode } from "react";

import { Version } from "./Version.tsx";

interface EnvironmentPageProps {
  apiUrl: string;
  /** The page's variables, by name. */
  variables: Readonly<Record<string, string>>;
  /** Names of variables whose values are not shown. */
  hidden?: readonly string[];
}

/** The running versions and the page's variables. */
export function EnvironmentPage({ apiUrl, variables, hidden = [] }: EnvironmentPageProps): ReactNode {
  return (
    <>
      <h1>À propos de cet environnement</h1>
      <dl>
        <dt>Cette page</dt>
        <dd>
          <Version address="" />
        </dd>
        <dt>API</dt>
        <dd>
          <Version address={apiUrl} />
        </dd>
      </dl>
      <h2>Variables</h2>
      <dl>
        {Object.entries(variables).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd data-variable={name}>{hidden.includes(name) ? "(définie)" : value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

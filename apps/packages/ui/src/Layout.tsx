import type { ReactNode } from "react";

import { Link } from "./Link.tsx";

interface LayoutProps {
  title: string;
  /** URLs of other apps and pages, by name. */
  links: Readonly<Record<string, string>>;
  children: ReactNode;
}

export function Layout({ title, links, children }: LayoutProps): ReactNode {
  return (
    <>
      <header>
        <strong>{title}</strong>
        <nav>
          {Object.entries(links).map(([name, address]) => (
            <Link key={name} to={address}>
              {name}
            </Link>
          ))}
        </nav>
      </header>
      <main>{children}</main>
    </>
  );
}

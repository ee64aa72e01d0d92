import type { ReactNode } from "react";

export function isWebAddress(text: string): boolean {
  const protocol = URL.parse(text)?.protocol;
  return protocol === "https:" || protocol === "http:";
}

/** A link where the address is one of the web, otherwise its text alone. */
export function Link({ to, children }: { to: string; children: ReactNode }): ReactNode {
  return isWebAddress(to) || to.startsWith("/") ? <a href={to}>{children}</a> : <span>{children}</span>;
}

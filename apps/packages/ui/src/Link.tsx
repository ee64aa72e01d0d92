import type { ReactNode } from "react";

export function isWebAddress(text: string): boolean {
  const protocol = URL.parse(text)?.protocol;
  return protocol === "https:" || protocol === "http:";
}

/** A link if the address is an HTTP(S) URL or a path, otherwise plain text. */
export function Link({ to, children }: { to: string; children: ReactNode }): ReactNode {
  return isWebAddress(to) || to.startsWith("/") ? <a href={to}>{children}</a> : <span>{children}</span>;
}

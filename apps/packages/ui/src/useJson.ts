import { useEffect, useState } from "react";

export type Loaded<T> = { state: "loading" } | { state: "loaded"; value: T } | { state: "failed" };

/** Loads JSON from a URL and validates it with `check`. */
export function useJson<T>(address: string, check: (value: unknown) => value is T): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ state: "loading" });
  useEffect(() => {
    const aborted = new AbortController();
    setLoaded({ state: "loading" });
    load(address, aborted.signal).then(
      (value) => setLoaded(check(value) ? { state: "loaded", value } : { state: "failed" }),
      () => {
        if (!aborted.signal.aborted) setLoaded({ state: "failed" });
      },
    );
    return () => aborted.abort();
  }, [address, check]);
  return loaded;
}

async function load(address: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(address, { signal });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
}

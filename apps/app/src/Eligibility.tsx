import { useState, type ReactNode } from "react";

import { useJson } from "@snu/ui";

interface Answer {
  age: number;
  eligible: boolean;
}

function isAnswer(value: unknown): value is Answer {
  return typeof value === "object" && value !== null && "age" in value && "eligible" in value;
}

/** Form that asks the api whether a person may take part. */
export function Eligibility({ apiUrl }: { apiUrl: string }): ReactNode {
  const [birthday, setBirthday] = useState("");
  return (
    <>
      <h1>Puis-je participer au SNU ?</h1>
      <p>
        <label>
          Date de naissance{" "}
          <input type="date" value={birthday} onChange={(event) => setBirthday(event.target.value)} />
        </label>
      </p>
      {birthday !== "" && <Verdict apiUrl={apiUrl} birthday={birthday} />}
    </>
  );
}

function Verdict({ apiUrl, birthday }: { apiUrl: string; birthday: string }): ReactNode {
  const query = new URLSearchParams({ birthday });
  const loaded = useJson(`${apiUrl.replace(/\/+$/, "")}/eligibility?${query}`, isAnswer);
  if (loaded.state === "loading") return <output>…</output>;
  if (loaded.state === "failed") return <output className="failed">L’API n’a pas répondu.</output>;
  const { age, eligible } = loaded.value;
  return <output>{`${age} ans : ${eligible ? "oui" : "non"}`}</output>;
}

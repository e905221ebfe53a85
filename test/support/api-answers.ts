/** An API server's answers by path, for what commands ask it; whatever is not there is a 404. */

import type { Api, ApiAnswer } from "../../control/cli/cluster.ts";

/** What a path answers; a body alone is an answer that is fine. */
export type Answers = Readonly<Record<string, ApiAnswer | { readonly body: unknown }>>;

/** An API that answers so, and notes in `asked` what it was asked. */
export function apiOf(answers: Answers, asked: string[] = []): Api {
  const answer = (path: string): Promise<ApiAnswer> => {
    asked.push(path);
    const found = answers[path.replace(/\?.*/, "")];
    if (found === undefined)
      return Promise.resolve({ kind: "refused", status: 404, problem: `${path} not found` });
    return Promise.resolve("kind" in found ? found : { kind: "ok", headers: {}, ...found });
  };
  return { server: "https://api", get: answer, post: answer };
}

/** Asks the API server whose token it is. */

import type { AuthenticationV1Api } from "@kubernetes/client-node";
import { type ApiCalls, callError } from "../api-call.ts";
import { ReviewUnavailable } from "./admitter.ts";
import { AUDIENCE, type ReviewStatus } from "./verdict.ts";

/** Makes the question to the API server. Needs `create` on `tokenreviews`. */
export function tokenReviewer(
  api: Pick<AuthenticationV1Api, "createTokenReview">,
  calls: ApiCalls,
): (token: string) => Promise<ReviewStatus> {
  return async (token) => {
    try {
      const body = { spec: { token, audiences: [AUDIENCE] } };
      const { status } = await api.createTokenReview({ body }, calls.options());
      return status ?? {};
    } catch (cause) {
      const { failure, problem } = callError(cause);
      if (failure === "denied")
        throw new ReviewUnavailable(
          `control may not ask the API server (${problem}); install its roles again: nodemesh install`,
        );
      throw new ReviewUnavailable(`the API server does not answer (${problem})`);
    }
  };
}

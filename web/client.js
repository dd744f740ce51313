// The win-rates of one project, asked for again and again. Knows HTTP and nothing of the page.

/** An answer that is no win-rates document: `code` for programs, `message` for people, `retry` in seconds or null. */
export class Trouble extends Error {
  constructor(code, message, retry) {
    super(message);
    this.code = code;
    this.retry = retry;
  }
}

const words = {
  401: () => "The token is not accepted: it may be mistyped, revoked or expired.",
  403: () => "This token does not open that project.",
  404: (project) => `There is no project “${project}”, or this token may not see it.`,
  429: () => "This token has asked too often; the page waits before it asks again.",
  503: () => "The service is there, but its database does not answer. The page keeps trying.",
};

async function troubleOf(response, project) {
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // The answer was not the service's own; its status has to do.
  }
  const told = words[response.status];
  const message = told
    ? told(project)
    : problem.detail || problem.title || `The service answered with status ${response.status}.`;
  const after = Number(response.headers.get("retry-after"));
  const lasting = [400, 401, 403, 404].includes(response.status);
  return new Trouble(problem.code || String(response.status), message, lasting ? null : after || 5);
}

/** A source of documents: `next()` gives a new one, or null when nothing has changed; it throws a Trouble otherwise. */
export function winRates(project, token) {
  let etag = null;
  return {
    async next(signal) {
      const headers = { authorization: `Bearer ${token}`, accept: "application/json" };
      if (etag) headers["if-none-match"] = etag;
      let response;
      try {
        const path = `/v1/projects/${encodeURIComponent(project)}/win-rates`;
        response = await fetch(path, { headers, signal, cache: "no-store" });
      } catch (reason) {
        if (signal?.aborted) throw reason;
        throw new Trouble("unreachable", "The service cannot be reached. The page keeps trying.", 5);
      }
      if (response.status === 304) return null;
      if (!response.ok) throw await troubleOf(response, project);
      const document = await response.json();
      etag = response.headers.get("etag");
      return document;
    },
  };
}

/** `code` is the server's, see docs/webchat-protocol.md; `retryAfter` in seconds, 0 where it says nothing. */
export class RequestError extends Error {
  constructor(
    readonly code: string,
    readonly retryAfter = 0,
  ) {
    super(code);
  }
}

export type Request = (path: string, post?: { body?: Blob }) => Promise<Response>;

/** Calls of the server's web addresses in the visitor's name; the token goes in a header, never into an address. */
export const createRequest =
  (server: string, token: () => string, renewSession: () => Promise<void>): Request =>
  async (path, post) => {
    for (let tries = 0; ; tries++) {
      const response = await fetch(`${server}/webchat/${path}`, {
        method: post ? 'POST' : 'GET',
        headers: { Authorization: `Bearer ${token()}` },
        credentials: 'omit',
        body: post?.body,
      });
      if (response.ok) return response;
      if (response.status !== 401 || tries) {
        const { error } = await response.json().catch(() => ({}));
        throw new RequestError(String(error), Number(response.headers.get('Retry-After')) || 0);
      }
      await renewSession();
    }
  };

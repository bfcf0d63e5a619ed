import { readAnswer, type Answer } from './protocol';
import { createSocket } from './socket';

export type Phase = 'idle' | 'connecting' | 'online' | 'offline';

export interface Connection {
  started(): boolean;
  ready(): boolean;
  /** Connects, if that was not done before. */
  start(): void;
  /** The customer is back at the page, or the device is back on the net: no more waiting. */
  wake(): void;
  /** The device says that it has left the net. Where that is not so, the next attempt, in half a second, succeeds. */
  offline(): void;
  call(event: string, payload: object, wait?: number): Promise<Answer>;
  /** Calls until the server gives a final answer, through lost connections and full queues. */
  insist(event: string, payload: object): Promise<Answer>;
  whenReady(): Promise<void>;
  renew(): Promise<void>;
  stop(): void;
}

interface Dependencies {
  /** Base address of the server. */
  server: string;
  sessionRequest(): { session_id: string | null; after: number; protocol: 1; language: string };
  /** Keeps the token of a session answer, before anything else is done with it. */
  keep(answer: Answer): void;
  /** Takes the session answer in and catches up; false: ask again. */
  session(answer: Answer): Promise<boolean>;
  event(name: string, payload: unknown): void;
  phase(phase: Phase): void;
}

const ACK_TIMEOUT = 10_000;
/** How long to say nothing: of a first connection, and of a lost one. */
const GRACE = { first: 4000, lost: 1500 };

/** Milliseconds to wait before attempt number `attempt` (from 0): 0.5 s to 15 s, with jitter. */
export const backoff = (attempt: number, random = Math.random()): number =>
  Math.min(15_000, 500 * 2 ** Math.min(attempt, 10)) * (0.5 + random / 2);

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function createConnection(use: Dependencies): Connection {
  let started = false;
  let online = false;
  let attempt = 0;
  let attemptAt = 0;
  let opening = false;
  let round = 0;
  let probedAt = 0;
  let reconnect: ReturnType<typeof setTimeout> | undefined;
  let grace: ReturnType<typeof setTimeout> | undefined;
  let waiting: (() => void)[] = [];

  const saySoAfter = (ms: number) => {
    grace ??= setTimeout(() => use.phase('offline'), ms);
  };

  function open() {
    clearTimeout(reconnect);
    opening = true;
    attemptAt = Date.now();
    socket.connect();
  }

  function lost() {
    round++;
    online = opening = false;
    saySoAfter(GRACE.lost);
    clearTimeout(reconnect);
    reconnect = setTimeout(open, backoff(attempt++));
  }

  function openAtOnce() {
    round++;
    online = false;
    attempt = 0;
    saySoAfter(GRACE.lost);
    open();
  }

  const socket = createSocket(use.server, {
    lost,
    event: use.event,
    connected() {
      opening = false;
      void renew();
    },
  });

  async function call(event: string, payload: object, wait = ACK_TIMEOUT): Promise<Answer> {
    if (!socket.connected()) return { ok: false, code: 'offline' };
    try {
      return readAnswer(await socket.call(event, payload, wait));
    } catch {
      return { ok: false, code: socket.connected() ? 'timeout' : 'offline' };
    }
  }

  /** Two tabs that open at once must not become two visitors: the first session is asked for by one of them. */
  async function askForSession(): Promise<Answer> {
    const ask = async () => {
      const request = use.sessionRequest();
      const answer = await call('session_request', request);
      // Signed in or out meanwhile, here or in another tab: this answer is about a session of the past.
      if (use.sessionRequest().session_id !== request.session_id) return { ok: false };
      use.keep(answer);
      return answer;
    };
    if (use.sessionRequest().session_id || !navigator.locks) return ask();
    return new Promise((resolve) => {
      const first = async () => {
        resolve(await ask());
        // The token takes a moment to be seen by the other tabs.
        await pause(200);
      };
      // A tab that the device has put to sleep may hold the lock for ever.
      const patience = new AbortController();
      setTimeout(() => patience.abort(), 5000);
      navigator.locks.request(`thiqa:${use.server}`, { signal: patience.signal }, first).catch(() => resolve(ask()));
    });
  }

  const whenReady = () => new Promise<void>((resolve) => (online ? resolve() : waiting.push(resolve)));

  async function renew() {
    const current = ++round;
    for (let tries = 0; current === round && socket.connected(); tries++) {
      const answer = await askForSession();
      if (current !== round) return;
      if (answer.ok && (await use.session(answer))) {
        if (current !== round) return;
        online = true;
        attempt = 0;
        clearTimeout(grace);
        grace = undefined;
        use.phase('online');
        waiting.forEach((resolve) => resolve());
        waiting = [];
        return;
      }
      await pause((answer.retry_after ?? 0) * 1000 || backoff(tries));
    }
  }

  return {
    started: () => started,
    ready: () => online && socket.connected(),
    start() {
      if (started) return;
      started = true;
      use.phase('connecting');
      saySoAfter(GRACE.first);
      open();
    },
    async wake() {
      if (!started) return;
      const now = Date.now();
      if (!socket.connected()) {
        if (!opening || now - attemptAt > 2000) openAtOnce();
      } else if (now - probedAt > 15_000) {
        // A device that slept believes in connections that died meanwhile.
        probedAt = now;
        const { code } = await call('history', { after: use.sessionRequest().after }, 5000);
        if (code === 'timeout') openAtOnce();
      }
    },
    offline() {
      if (!started) return;
      socket.close();
      attempt = 0;
      lost();
      use.phase('offline');
    },
    call,
    whenReady,
    async insist(event, payload) {
      for (let tries = 0; ; tries++) {
        await whenReady();
        const answer = await call(event, payload);
        if (answer.code === 'session') await renew();
        else if (answer.ok || !/^(offline|timeout|rate|flood|unavailable)$/.test(answer.code!)) return answer;
        await pause((answer.retry_after ?? 0) * 1000 || backoff(tries));
      }
    },
    renew,
    stop() {
      round++;
      clearTimeout(grace);
      clearTimeout(reconnect);
      socket.close();
      started = false;
    },
  };
}

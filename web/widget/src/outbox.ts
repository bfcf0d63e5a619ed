import { serverTime } from './clock';
import type { Answer, Image } from './protocol';
import type { Storage } from './storage';

/** A message of the customer that the server has not acknowledged yet. */
export interface Entry {
  id: string;
  /** What is sent: the text, or the id of the pressed button. */
  message: string;
  /** What is shown. */
  text: string;
  at: number;
  image?: Image;
  /** `later`: it is tried again by itself; anything else is the code of a final refusal. */
  failed?: string;
}

export interface Outbox {
  entries(): Entry[];
  add(entry: Entry): void;
  remove(id: string): void;
  clear(): void;
  /** Try a failed message again now. */
  retry(id: string): void;
  /** Send what waits; called whenever the connection is ready. */
  pump(): Promise<void>;
  /** Take up what was left behind, here or in another tab, at least so many milliseconds ago. */
  adopt(age: number): void;
  /** Another tab has sent or discarded it. */
  forget(id: string): void;
}

interface Dependencies {
  storage: Storage;
  ready(): boolean;
  send(entry: Entry): Promise<Answer>;
  renewSession(): Promise<void>;
  sent(entry: Entry, answer: Answer): void;
  /** The server asks to slow down for so many seconds; 0: not any more. */
  hold(seconds: number): void;
  changed(): void;
}

const MAX_TRIES = 3;

const isEntry = (value: unknown): value is Entry => {
  const { id, message, text, at, image } = (value ?? {}) as Partial<Entry>;
  const texts = [id, message, text].every((part) => typeof part === 'string');
  return texts && typeof at === 'number' && (!image || typeof image.id === 'string');
};

/** Messages leave one at a time and in order; each keeps its id, so sending again never doubles it. */
export function createOutbox(use: Dependencies): Outbox {
  const { storage } = use;
  // A key for each message: tabs that write at the same moment take nothing from each other.
  const key = (id: string) => `outbox.${id}`;
  const stored = (): Entry[] => storage.names(key('')).map(storage.get).filter(isEntry).sort((a, b) => a.at - b.at);
  const done = new Set<string>();
  let entries: Entry[] = [];
  let running = false;
  let wake: (() => void) | undefined;

  const pause = (seconds: number) =>
    new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, seconds * 1000);
    });

  const change = (list: Entry[]) => {
    entries = list;
    use.changed();
  };
  const mark = (id: string, failed?: string) =>
    change(
      entries.map((entry) => {
        if (entry.id !== id) return entry;
        const marked = { ...entry, failed };
        storage.set(key(id), marked);
        return marked;
      }),
    );
  const forget = (id: string) => {
    done.add(id);
    if (entries.some((entry) => entry.id === id)) change(entries.filter((entry) => entry.id !== id));
  };
  const remove = (id: string) => {
    storage.set(key(id), undefined);
    forget(id);
  };
  const waiting = () => entries.find(({ failed }) => !failed || failed === 'later');

  async function pump() {
    if (running) return;
    running = true;
    let tries = 0;
    for (let entry; use.ready() && (entry = waiting());) {
      const { id } = entry;
      const answer = await use.send(entry);
      const { code } = answer;
      if (answer.ok) {
        tries = 0;
        remove(id);
        use.sent(entry, answer);
      } else if (code === 'offline') {
        break;
      } else if (code === 'rate' || code === 'flood') {
        const seconds = answer.retry_after || 5;
        use.hold(seconds);
        await pause(seconds);
        use.hold(0);
      } else if (code === 'invalid' || code === 'image') {
        mark(id, code);
      } else {
        tries++;
        if (code === 'session') await use.renewSession();
        if (tries >= MAX_TRIES) mark(id, 'later');
        await pause(tries < MAX_TRIES ? tries : 20);
      }
    }
    running = false;
  }

  return {
    entries: () => entries,
    add(entry) {
      storage.set(key(entry.id), entry);
      change([...entries, entry]);
      void pump();
    },
    remove,
    clear: () => [...entries, ...stored()].forEach(({ id }) => remove(id)),
    retry(id) {
      mark(id);
      wake?.();
      void pump();
    },
    pump,
    forget,
    adopt(age) {
      const left = stored().filter(
        ({ id, at }) => at <= serverTime() - age && !done.has(id) && !entries.some((entry) => entry.id === id),
      );
      if (left.length) change([...left, ...entries]);
    },
  };
}

export interface Events {
  ready: undefined;
  open: undefined;
  close: undefined;
  message: { number: number; author: string; text: string; at: Date };
  sent: { id: string; number: number; text: string };
  unread: number;
  connection: 'online' | 'offline';
  identified: boolean;
  rated: { score: number };
  error: { code: string };
}

export type Emit = <Name extends keyof Events>(name: Name, detail: Events[Name]) => void;

const NAMES = 'ready open close message sent unread connection identified rated error'.split(' ');

export function createEvents() {
  const listeners = new Map<string, Set<(detail: unknown) => void>>();
  let ready = false;
  const call = (name: string, listener: (detail: unknown) => void, detail: unknown) => {
    try {
      listener(detail);
    } catch (error) {
      console.error(`Thiqa: a listener of "${name}" failed`, error);
    }
  };
  const emit: Emit = (name, detail) => {
    if (name === 'ready') ready = true;
    listeners.get(name)?.forEach((listener) => call(name, listener, detail));
  };
  function on(name: string, listener: (detail: never) => void): () => void {
    if (!NAMES.includes(name) || typeof listener !== 'function') {
      console.error(`Thiqa.on(event, function): event is one of ${NAMES.join(', ')}; got`, name, listener);
      return () => {};
    }
    // A page can only subscribe once the script has run, which is when the widget is ready already.
    if (name === 'ready' && ready) call(name, listener as () => void, undefined);
    const set = listeners.get(name) ?? new Set();
    listeners.set(name, set.add(listener as (detail: unknown) => void));
    return () => set.delete(listener as (detail: unknown) => void);
  }
  return { emit, on };
}

/**
 * localStorage that never fails: where it is blocked, absent or full, a value lives in memory for
 * this page. Keys are bound to the server's address, so two servers on one site do not mix.
 */
export interface Storage {
  /** Whatever is there: other scripts of the page may write to it too. */
  get(name: string): unknown;
  /** A text, or an empty one for anything else. */
  text(name: string): string;
  set(name: string, value: unknown): void;
  /** Names that begin so. */
  names(prefix: string): string[];
  /** Which value changed in another tab; `undefined` for keys that are not ours. */
  changed(event: StorageEvent): string | undefined;
}

export function createStorage(server: string): Storage {
  const prefix = `thiqa:${server}:`;
  const memory = new Map<string, unknown>();
  const get = (name: string): unknown => {
    if (memory.has(name)) return memory.get(name);
    try {
      return JSON.parse(localStorage.getItem(prefix + name) ?? 'null') ?? undefined;
    } catch {
      return undefined;
    }
  };
  return {
    get,
    text: (name) => {
      const value = get(name);
      return typeof value === 'string' ? value : '';
    },
    names(start) {
      const names = [...memory.keys()];
      try {
        for (const key of Object.keys(localStorage)) if (key.startsWith(prefix)) names.push(key.slice(prefix.length));
      } catch {
        // No storage: what is in memory is all there is.
      }
      return [...new Set(names)].filter((name) => name.startsWith(start) && get(name) !== undefined);
    },
    set(name, value) {
      try {
        if (value === undefined) localStorage.removeItem(prefix + name);
        else localStorage.setItem(prefix + name, JSON.stringify(value));
        memory.delete(name);
      } catch {
        memory.set(name, value);
      }
    },
    changed: ({ key }) => (key?.startsWith(prefix) ? key.slice(prefix.length) : undefined),
  };
}

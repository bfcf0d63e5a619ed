import { afterEach, expect, it, vi } from 'vitest';
import { createStorage } from '../src/storage';

afterEach(() => void vi.unstubAllGlobals());

const fake = (over: Partial<globalThis.Storage> = {}) => {
  const data = new Map<string, string>();
  const storage = {
    getItem: (key: string) => data.get(key) ?? null,
    setItem: (key: string, value: string) => void data.set(key, value),
    removeItem: (key: string) => void data.delete(key),
    ...over,
  };
  vi.stubGlobal('localStorage', storage);
  return data;
};
const refuse = () => {
  throw new DOMException('no', 'QuotaExceededError');
};

it('keeps values under the address of the server', () => {
  const data = fake();
  const storage = createStorage('https://a.example');
  storage.set('draft', 'x');
  expect([...data]).toEqual([['thiqa:https://a.example:draft', '"x"']]);
  expect(storage.get('draft')).toBe('x');
  expect(createStorage('https://b.example').get('draft')).toBeUndefined();
  storage.set('draft', undefined);
  expect(data.size).toBe(0);
});

it('lives in memory where localStorage throws', () => {
  fake({ getItem: refuse, setItem: refuse, removeItem: refuse });
  const storage = createStorage('a');
  storage.set('x', [1]);
  expect(storage.get('x')).toEqual([1]);
});

it('lives in memory where there is none', () => {
  vi.stubGlobal('localStorage', undefined);
  const storage = createStorage('a');
  storage.set('x', 1);
  expect(storage.get('x')).toBe(1);
});

it('prefers the newer value when the storage is full', () => {
  const data = fake({ setItem: refuse });
  data.set('thiqa:a:x', '"old"');
  const storage = createStorage('a');
  storage.set('x', 'new');
  expect(storage.get('x')).toBe('new');
});

it('survives damaged values', () => {
  const data = fake();
  data.set('thiqa:a:x', '{');
  expect(createStorage('a').get('x')).toBeUndefined();
});

it('tells its own keys from others', () => {
  const storage = createStorage('a');
  expect(storage.changed({ key: 'thiqa:a:session' } as StorageEvent)).toBe('session');
  expect(storage.changed({ key: 'other' } as StorageEvent)).toBeUndefined();
  expect(storage.changed({ key: null } as StorageEvent)).toBeUndefined();
});

it('names what it holds, in storage and in memory, and gives a text only where there is one', () => {
  const data = fake();
  data.set('thiqa:b:outbox.2', '"other server"');
  data.set('thiqa:a:outbox.1', '1');
  Object.assign(localStorage, { 'thiqa:a:outbox.1': '' });
  const storage = createStorage('a');
  expect(storage.names('outbox.')).toEqual(['outbox.1']);
  storage.set('draft', { trim: 1 });
  expect(storage.text('draft')).toBe('');
  storage.set('draft', 'x');
  expect(storage.text('draft')).toBe('x');
});

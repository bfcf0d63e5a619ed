import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { backoff } from '../src/connection';
import { contrast, readableOn, textOn, type Rgb } from '../src/color';
import { createEvents } from '../src/events';
import { readAnswer, readMarks, readMessage, readSession } from '../src/protocol';

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  vi.spyOn(console, 'error').mockImplementation(() => {});
});
afterEach(() => void vi.restoreAllMocks());

const good = { number: 3, id: 'x', author: 'bot', text: 'hi', at: '2026-11-22T03:00:00Z' };

it('reads a message', () => {
  expect(readMessage({ ...good, buttons: [{ id: 'a', title: 'A' }, { id: 1 }, null], image: { id: 5 } })).toMatchObject(
    {
      number: 3,
      author: 'bot',
      text: 'hi',
      at: Date.UTC(2026, 10, 22, 3),
      buttons: [{ id: 'a', title: 'A' }],
      image: undefined,
    },
  );
});

it.each([
  null,
  undefined,
  5,
  'x',
  [],
  {},
  { ...good, number: '3' },
  { ...good, number: 1.5 },
  { ...good, number: -1 },
  { ...good, author: 'root' },
  { ...good, at: 'x' },
])('ignores %j', (raw) => {
  expect(readMessage(raw)).toBeUndefined();
  expect(console.warn).toHaveBeenCalled();
});

it('reads answers and marks of any shape', () => {
  expect(readAnswer(null)).toMatchObject({ ok: false });
  expect(readAnswer({ ok: 'yes' })).toMatchObject({ ok: false });
  expect(readMarks({ delivered: 2, seen: 'x', read: NaN })).toEqual({ delivered: 2, seen: 0, read: 0 });
  expect(readSession({ ok: true })).toBeUndefined();
  expect(readSession({ ok: true, session: 't', visitor: 'v' })).toMatchObject({ messages: [], textLimit: 4000 });
});

it('backs off from half a second to fifteen, with jitter', () => {
  expect([0, 1, 2, 20].map((attempt) => backoff(attempt, 1))).toEqual([500, 1000, 2000, 15_000]);
  expect(backoff(20, 0)).toBe(7500);
});

it('keeps text readable on and beside every accent', () => {
  const paper: Rgb[] = [
    [251, 250, 247],
    [22, 26, 24],
  ];
  for (let color = 0; color < 4096; color += 7) {
    const accent: Rgb = [(color >> 8) * 17, ((color >> 4) & 15) * 17, (color & 15) * 17];
    expect(contrast(accent, textOn(accent))).toBeGreaterThanOrEqual(4.5);
    for (const background of paper)
      expect(contrast(readableOn(accent, background), background)).toBeGreaterThanOrEqual(4.5);
  }
});

it('calls listeners, survives their errors, and ends subscriptions', () => {
  const { emit, on } = createEvents();
  const heard: unknown[] = [];
  on('unread', () => {
    throw new Error('theirs');
  });
  const off = on('unread', (count) => heard.push(count));
  emit('unread', 1);
  off();
  emit('unread', 2);
  expect(heard).toEqual([1]);
  emit('ready', undefined);
  on('ready', () => heard.push('ready'));
  expect(heard).toEqual([1, 'ready']);
  on('nonsense', () => {});
  expect(console.error).toHaveBeenCalledTimes(3);
});

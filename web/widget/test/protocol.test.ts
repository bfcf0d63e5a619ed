import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { backoff } from '../src/connection';
import { contrast, readableOn, textOn, type Rgb } from '../src/color';
import { createEvents } from '../src/events';
import {
  readAnswer,
  readElsewhere,
  readElsewhereUttered,
  readMarks,
  readMessage,
  readSession,
  readTelegramLink,
} from '../src/protocol';
import { createRequest, RequestError } from '../src/request';
import { transcript } from '../src/transcript';

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

it('marks what was said on Telegram, and leaves out channels that it has no name for', () => {
  const raw = { conversation: 'c', channel: 'telegram', messages: [good, null], more: true };
  expect(readElsewhere(raw)).toMatchObject({ id: 'c', more: true, messages: [{ number: 3, channel: 'telegram' }] });
  expect(readElsewhere({ ...raw, channel: 'pigeon' })).toBeUndefined();
  expect(readElsewhere(null)).toBeUndefined();
  expect(readElsewhereUttered({ ...raw, messages: undefined, message: good })?.messages).toHaveLength(1);
  expect(readMessage(good)).toMatchObject({ channel: undefined });
});

it('reads a document of ours, with a name in any case', () => {
  expect(readMessage({ ...good, document: { id: 'd', name: 'فاتورة.pdf' } })?.document).toEqual({
    id: 'd',
    name: 'فاتورة.pdf',
  });
  expect(readMessage({ ...good, document: { id: 'd' } })?.document).toEqual({ id: 'd', name: 'file' });
  expect(readMessage({ ...good, document: { name: 'x' } })?.document).toBeUndefined();
});

it('opens nothing but the address of a bot', () => {
  const expires_at = '2026-11-22T03:15:00Z';
  expect(readTelegramLink({ url: 'https://t.me/shop_bot?start=link_x', expires_at })).toEqual({
    url: 'https://t.me/shop_bot?start=link_x',
    expires: Date.UTC(2026, 10, 22, 3, 15),
  });
  for (const url of ['javascript:alert(1)', 'https://t.me.evil.example/', 'http://t.me/x', '', 5, null])
    expect(readTelegramLink({ url, expires_at })).toBeUndefined();
  const session = { ok: true, session: 't', visitor: 'v' };
  expect(readSession({ ...session, telegram: 'https://t.me/shop_bot' })?.telegram).toBe('https://t.me/shop_bot');
  expect(readSession({ ...session, telegram: 'javascript:alert(1)' })?.telegram).toBe('');
  expect(readSession({ ...session, telegram: null })?.telegram).toBe('');
});

it('asks again with a new session where the old one is refused, once, and says what else is wrong', async () => {
  const answers = [
    new Response('{"error":"session"}', { status: 401 }),
    new Response('{"url":"u"}', { status: 201 }),
    new Response('{"error":"rate"}', { status: 429, headers: { 'Retry-After': '40' } }),
    new Response('nonsense', { status: 502 }),
  ];
  const sent: string[] = [];
  vi.stubGlobal('fetch', async (url: string, { method, headers }: RequestInit) => {
    sent.push(`${method} ${url} ${(headers as Record<string, string>).Authorization}`);
    return answers.shift();
  });
  let token = 'old';
  const request = createRequest('https://chat.example', () => token, async () => void (token = 'new'));
  expect(await (await request('telegram-link', {})).json()).toEqual({ url: 'u' });
  expect(sent).toEqual([
    'POST https://chat.example/webchat/telegram-link Bearer old',
    'POST https://chat.example/webchat/telegram-link Bearer new',
  ]);
  const refused = await request('telegram-link', {}).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(RequestError);
  expect(refused).toMatchObject({ code: 'rate', retryAfter: 40 });
  expect(await request('telegram-link', {}).catch((error: unknown) => error)).toMatchObject({ retryAfter: 0 });
  vi.unstubAllGlobals();
});

it('names the channel and the files in the transcript', () => {
  const said = { ...readMessage({ ...good, document: { id: 'd', name: 'invoice.pdf' } }, 'telegram')! };
  const text = transcript([said], 'Shop', 'en', said.at);
  expect(text).toContain('Assistant (via Telegram): [invoice.pdf] hi');
  expect(transcript([readMessage(good)!], 'Shop', 'en', said.at)).toContain('Assistant: hi');
});

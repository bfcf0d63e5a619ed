import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createOutbox, type Entry } from '../src/outbox';
import type { Answer } from '../src/protocol';
import { createStorage, type Storage } from '../src/storage';

const entry = (id: string): Entry => ({ id, message: id, text: id, at: 0 });
const ok: Answer = { ok: true, number: 1 };
const no = (code: string, retry_after = 0): Answer => ({ ok: false, code, retry_after });

function setUp(storage: Storage = createStorage('https://x.example')) {
  const answers: Answer[] = [];
  const log: string[] = [];
  const use = {
    storage,
    ready: vi.fn(() => true),
    send: vi.fn(async (sent: Entry) => {
      log.push(sent.id);
      return answers.shift() ?? ok;
    }),
    renewSession: vi.fn(async () => {}),
    sent: vi.fn(),
    hold: vi.fn(),
    changed: vi.fn(),
  };
  return { outbox: createOutbox(use), use, answers, log };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('sends one at a time and in order', async () => {
  const { outbox, use, log } = setUp();
  let release = () => {};
  use.send.mockImplementationOnce(async ({ id }) => {
    log.push(id);
    await new Promise<void>((resolve) => (release = resolve));
    return ok;
  });
  outbox.add(entry('a'));
  outbox.add(entry('b'));
  await vi.advanceTimersByTimeAsync(1000);
  expect(log).toEqual(['a']);
  release();
  await vi.advanceTimersByTimeAsync(0);
  expect(log).toEqual(['a', 'b']);
  expect(outbox.entries()).toEqual([]);
});

it('waits as long as the server asks and sends the same again', async () => {
  const { outbox, use, answers, log } = setUp();
  answers.push(no('rate', 8));
  outbox.add(entry('a'));
  await vi.advanceTimersByTimeAsync(7900);
  expect(log).toEqual(['a']);
  expect(use.hold).toHaveBeenLastCalledWith(8);
  await vi.advanceTimersByTimeAsync(200);
  expect(log).toEqual(['a', 'a']);
  expect(use.hold).toHaveBeenLastCalledWith(0);
});

it('says after three failures that a message waits, and goes on trying', async () => {
  const { outbox, answers, log } = setUp();
  answers.push(no('timeout'), no('unavailable'), no('timeout'));
  outbox.add(entry('a'));
  outbox.add(entry('b'));
  await vi.advanceTimersByTimeAsync(5000);
  expect(log).toEqual(['a', 'a', 'a']);
  expect(outbox.entries()[0]!.failed).toBe('later');
  await vi.advanceTimersByTimeAsync(20_000);
  expect(log).toEqual(['a', 'a', 'a', 'a', 'b']);
});

it('tries at once when asked to', async () => {
  const { outbox, answers, log } = setUp();
  answers.push(no('timeout'), no('timeout'), no('timeout'));
  outbox.add(entry('a'));
  await vi.advanceTimersByTimeAsync(4000);
  outbox.retry('a');
  await vi.advanceTimersByTimeAsync(0);
  expect(log).toHaveLength(4);
  expect(outbox.entries()).toEqual([]);
});

it('skips what the server will never take, and keeps it for the customer to see', async () => {
  const { outbox, answers, log } = setUp();
  answers.push(no('invalid'));
  outbox.add(entry('a'));
  outbox.add(entry('b'));
  await vi.advanceTimersByTimeAsync(0);
  expect(log).toEqual(['a', 'b']);
  expect(outbox.entries()).toMatchObject([{ id: 'a', failed: 'invalid' }]);
});

it('asks for a session when the server wants one', async () => {
  const { outbox, use, answers, log } = setUp();
  answers.push(no('session'));
  outbox.add(entry('a'));
  await vi.advanceTimersByTimeAsync(1500);
  expect(use.renewSession).toHaveBeenCalledOnce();
  expect(log).toEqual(['a', 'a']);
});

it('stops without a connection and goes on with the same ids', async () => {
  const { outbox, use, log } = setUp();
  use.ready.mockReturnValue(false);
  outbox.add(entry('a'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(log).toEqual([]);
  use.ready.mockReturnValue(true);
  await outbox.pump();
  expect(log).toEqual(['a']);
});

it('survives a reload, and does not bring back what was sent', async () => {
  const storage = createStorage('https://x.example');
  const before = setUp(storage);
  before.use.ready.mockReturnValue(false);
  before.outbox.add(entry('a'));
  const after = setUp(storage);
  after.outbox.adopt(0);
  await after.outbox.pump();
  expect(after.log).toEqual(['a']);
  expect(storage.names('outbox.')).toEqual([]);
  before.outbox.forget('a');
  expect(before.outbox.entries()).toEqual([]);
});

it('leaves what another tab has just written to that tab, and takes up what was left behind', () => {
  const storage = createStorage('https://x.example');
  const now = Date.now();
  storage.set('outbox.new', { ...entry('new'), at: now });
  storage.set('outbox.old', { ...entry('old'), at: now - 20_000 });
  storage.set('outbox.junk', { id: 'junk' });
  const { outbox, use } = setUp(storage);
  use.ready.mockReturnValue(false);
  outbox.adopt(15_000);
  expect(outbox.entries().map(({ id }) => id)).toEqual(['old']);
});

it('loses nothing when two tabs write at the same moment', () => {
  const storage = createStorage('https://x.example');
  const tabs = [setUp(storage), setUp(storage)];
  tabs.forEach(({ outbox, use }, index) => {
    use.ready.mockReturnValue(false);
    outbox.add(entry(`m${index}`));
  });
  expect(tabs.map(({ outbox }) => outbox.entries().map(({ id }) => id))).toEqual([['m0'], ['m1']]);
  expect(storage.names('outbox.').sort()).toEqual(['outbox.m0', 'outbox.m1']);
});

it('drops an entry that came back from the server meanwhile', async () => {
  const { outbox, use } = setUp();
  use.ready.mockReturnValue(false);
  outbox.add(entry('a'));
  outbox.remove('a');
  outbox.remove('unknown');
  expect(outbox.entries()).toEqual([]);
});

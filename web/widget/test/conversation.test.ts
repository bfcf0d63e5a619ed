import { describe, expect, it } from 'vitest';
import {
  completeSince,
  delivery,
  emptyConversation,
  END,
  hasEnded,
  hasGap,
  joined,
  merge,
  mergeMarks,
  mergeNewest,
  timeline,
  unread,
} from '../src/conversation';
import type { Author, Message } from '../src/protocol';

const message = (number: number, author: Author = 'bot', text = `m${number}`): Message => ({
  number,
  author,
  text,
  at: number * 1000,
  buttons: [],
});
const there = (number: number, at: number): Message => ({ ...message(number), at: at * 1000, channel: 'telegram' });
const numbers = ({ messages }: { messages: Message[] }) => messages.map(({ number }) => number);

describe('merge', () => {
  it('keeps messages in the order of their numbers, each once', () => {
    let conversation = merge(emptyConversation, [message(1), message(2)], true);
    conversation = merge(conversation, [message(4), message(3), message(2, 'bot', 'again')], false);
    expect(numbers(conversation)).toEqual([1, 2, 3, 4]);
    expect(conversation.messages[1]!.text).toBe('again');
    expect(conversation.end).toBe(4);
  });

  it('notices a gap and its end', () => {
    let conversation = merge(emptyConversation, [message(1)], true);
    conversation = merge(conversation, [message(3)], false);
    expect(conversation.end).toBe(1);
    expect(hasGap(conversation)).toBe(true);
    conversation = merge(conversation, [message(2), message(3)], true);
    expect(conversation.end).toBe(3);
    expect(hasGap(conversation)).toBe(false);
  });

  it('begins with the newest page and takes older ones without moving the end', () => {
    let conversation = merge(emptyConversation, [message(51), message(52)], true);
    conversation = merge(conversation, [message(49), message(50)], false);
    expect(numbers(conversation)).toEqual([49, 50, 51, 52]);
    expect(conversation.end).toBe(52);
  });

  it('sees a gap before the first message of a new conversation', () => {
    expect(hasGap(merge(emptyConversation, [message(2)], false))).toBe(true);
    expect(hasGap(merge(emptyConversation, [message(1)], false))).toBe(false);
  });
});

it('counts what others wrote and the customer has not read', () => {
  const conversation = merge(emptyConversation, [message(1), message(2, 'customer'), message(3, 'agent')], true);
  expect(unread(conversation)).toBe(2);
  expect(unread({ ...conversation, marks: { delivered: 2, seen: 2, read: 1 } })).toBe(1);
});

it('is ended until the customer writes again', () => {
  const end = { ...message(2, 'customer'), clientId: END + '1' };
  let conversation = merge(emptyConversation, [message(1, 'customer')], true);
  expect(hasEnded(conversation)).toBe(false);
  conversation = merge(conversation, [end, message(3)], true);
  expect(hasEnded(conversation)).toBe(true);
  conversation = merge(conversation, [{ ...message(4, 'customer'), clientId: 'a' }], true);
  expect(hasEnded(conversation)).toBe(false);
});

it('never moves marks back', () => {
  expect(mergeMarks({ delivered: 5, seen: 2, read: 9 }, { delivered: 4, seen: 3, read: 1 })).toEqual({
    delivered: 5,
    seen: 3,
    read: 9,
  });
});

it('tells how far a message has come', () => {
  const marks = { delivered: 4, seen: 2, read: 0 };
  expect([2, 4, 5].map((number) => delivery(message(number), marks))).toEqual(['seen', 'delivered', 'sent']);
});

it('joins messages of one author within five minutes', () => {
  expect(joined(undefined, message(1))).toBe(false);
  expect(joined(message(1), message(2))).toBe(true);
  expect(joined(message(1), message(2, 'agent'))).toBe(false);
  expect(joined(message(1), message(400))).toBe(false);
});

it('does not join what was said on another channel', () => {
  expect(joined(message(1), there(2, 1))).toBe(false);
  expect(joined(there(1, 1), there(2, 2))).toBe(true);
});

describe('a conversation on another channel', () => {
  const here = merge(emptyConversation, [message(10), message(20), message(30)], true);
  const times = (messages: Message[]) => messages.map(({ at, channel }) => (channel ? 't' : '') + at / 1000);

  it('is read in the order of time, each side in its own', () => {
    const elsewhere = merge(emptyConversation, [there(1, 5), there(2, 20), there(3, 40)], true);
    expect(times(timeline(here, elsewhere))).toEqual(['t5', '10', '20', 't20', '30', 't40']);
    expect(timeline(here, emptyConversation)).toBe(here.messages);
    const moved = merge(emptyConversation, [message(10), { ...message(11), at: 4000 }, message(12)], true);
    expect(times(timeline(moved, merge(emptyConversation, [there(1, 11)], true)))).toEqual(['10', '4', 't11', '12']);
  });

  it('is shown only as far back as both sides are complete', () => {
    const elsewhere = merge(emptyConversation, [there(51, 15), there(52, 25)], true);
    expect(times(timeline(here, { ...elsewhere, older: true }))).toEqual(['t15', '20', 't25', '30']);
    expect(times(timeline({ ...here, older: true }, merge(elsewhere, [there(50, 5)], false)))).toEqual([
      '10',
      't15',
      '20',
      't25',
      '30',
    ]);
    expect(completeSince({ ...elsewhere, older: true })).toBe(15_000);
    expect(completeSince(elsewhere)).toBe(0);
  });

  it('keeps what was fetched before, unless something is missing between', () => {
    const known = { ...merge(emptyConversation, [there(1, 1), there(2, 2)], true), older: false };
    const joins = mergeNewest(known, [there(2, 2), there(3, 3)], true);
    expect([numbers(joins), joins.end, joins.older]).toEqual([[1, 2, 3], 3, false]);
    const skips = mergeNewest(known, [there(60, 60), there(61, 61)], true);
    expect([numbers(skips), skips.end, skips.older]).toEqual([[60, 61], 61, true]);
  });
});

import type { Marks, Message } from './protocol';

export interface Conversation {
  /** In the order of their numbers, each number once. */
  messages: Message[];
  /** Nothing is missing between the first of `messages` and this number. */
  end: number;
  /** The server has messages before the first of `messages`. */
  older: boolean;
  marks: Marks;
}

export const emptyConversation: Conversation = {
  messages: [],
  end: 0,
  older: false,
  marks: { delivered: 0, seen: 0, read: 0 },
};

/** `unbroken`: the server answered with everything that follows `end`, so `incoming` leaves no gap. */
export function merge(conversation: Conversation, incoming: Message[], unbroken: boolean): Conversation {
  const known = new Map(conversation.messages.map((message) => [message.number, message]));
  for (const message of incoming) known.set(message.number, message);
  const messages = [...known.values()].sort((a, b) => a.number - b.number);
  let { end } = conversation;
  if (unbroken) end = Math.max(end, ...incoming.map((message) => message.number));
  for (const { number } of messages) if (number === end + 1) end = number;
  return { ...conversation, messages, end };
}

/** Since when all is here that was said. */
export const completeSince = ({ older, messages }: Conversation): number => (older ? (messages[0]?.at ?? 0) : 0);

const from = (messages: Message[], at: number): Message[] => {
  const first = messages.findIndex((message) => message.at >= at);
  return first < 0 ? [] : messages.slice(first);
};

/** What was said here and elsewhere in the order of time, as far back as both are here. Each keeps its own order. */
export function timeline(here: Conversation, elsewhere: Conversation): Message[] {
  if (!elsewhere.messages.length) return here.messages;
  const since = Math.max(completeSince(here), completeSince(elsewhere));
  const others = from(elsewhere.messages, since);
  const all: Message[] = [];
  for (const message of from(here.messages, since)) {
    while (others[0] && others[0].at < message.at) all.push(others.shift()!);
    all.push(message);
  }
  return all.concat(others);
}

/** `incoming`: the newest page. What was there before stays, if nothing is missing between. */
export function mergeNewest(conversation: Conversation, incoming: Message[], more: boolean): Conversation {
  const joins = conversation.end && incoming[0] && incoming[0].number <= conversation.end + 1;
  return joins
    ? merge(conversation, incoming, true)
    : merge({ ...emptyConversation, older: more }, incoming, true);
}

export const newest = ({ messages }: Conversation): Message | undefined => messages[messages.length - 1];

/** How the id of the customer's word that ends a conversation begins: known by it in every tab and after a reload. */
export const END = 'end-';

export const hasEnded = ({ messages }: Conversation): boolean => {
  const own = messages.filter(({ author }) => author === 'customer');
  return !!own[own.length - 1]?.clientId?.startsWith(END);
};

export const hasGap = (conversation: Conversation): boolean => (newest(conversation)?.number ?? 0) > conversation.end;

/** Marks only ever go forward; events of two tabs may cross. */
export const mergeMarks = (a: Marks, b: Marks): Marks => ({
  delivered: Math.max(a.delivered, b.delivered),
  seen: Math.max(a.seen, b.seen),
  read: Math.max(a.read, b.read),
});

export const unread = ({ messages, marks }: Conversation): number =>
  messages.filter(({ author, number }) => author !== 'customer' && number > marks.read).length;

export type Delivery = 'sending' | 'sent' | 'delivered' | 'seen' | 'failed';

export const delivery = ({ number }: Message, { delivered, seen }: Marks): Delivery =>
  number <= seen ? 'seen' : number <= delivered ? 'delivered' : 'sent';

type Said = Pick<Message, 'author' | 'at' | 'channel'>;

/** Consecutive messages of one author within five minutes look like one. */
export const joined = (a: Said | undefined, b: Said): boolean =>
  !!a && a.author === b.author && a.channel === b.channel && Math.abs(b.at - a.at) < 5 * 60_000;

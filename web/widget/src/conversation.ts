import type { Author, Marks, Message } from './protocol';

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

/** Consecutive messages of one author within five minutes look like one. */
export const joined = (a: { author: Author; at: number } | undefined, b: { author: Author; at: number }): boolean =>
  !!a && a.author === b.author && Math.abs(b.at - a.at) < 5 * 60_000;

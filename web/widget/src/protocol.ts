/** What the server sends (docs/webchat-protocol.md), read without trusting its shape. */
export type Author = 'customer' | 'bot' | 'agent';

export interface Button {
  id: string;
  title: string;
}

export interface Image {
  id: string;
  width: number;
  height: number;
}

export interface Document {
  id: string;
  name: string;
}

export interface Message {
  number: number;
  author: Author;
  text: string;
  at: number;
  buttons: Button[];
  image?: Image;
  document?: Document;
  clientId?: string;
  /** Where it was said, if not here; then `number` counts within the conversation there. */
  channel?: string;
}

/** The customer's conversation on another channel. */
export interface Elsewhere {
  id: string;
  messages: Message[];
  more: boolean;
}

export interface Marks {
  delivered: number;
  seen: number;
  read: number;
}

export interface Session {
  token: string;
  refused: boolean;
  visitor: string;
  reset: boolean;
  now: number;
  last: number;
  messages: Message[];
  more: boolean;
  marks: Marks;
  owner: string;
  typing: Author | null;
  identified: boolean;
  elsewhere?: Elsewhere;
  /** Address of the shop's Telegram bot. */
  telegram: string;
  shop: Record<string, string>;
  textLimit: number;
  imageLimit: number;
}

export interface Answer {
  ok: boolean;
  code?: string;
  retry_after?: number;
  [field: string]: unknown;
}

type Fields = Record<string, unknown>;

const fields = (raw: unknown): Fields => (raw && typeof raw === 'object' ? (raw as Fields) : {});
const string = (raw: unknown): string => (typeof raw === 'string' ? raw : '');
const number = (raw: unknown, otherwise = 0): number =>
  typeof raw === 'number' && raw >= 0 && raw < Infinity ? raw : otherwise;
const list = (raw: unknown): unknown[] => (Array.isArray(raw) ? raw : []);
const time = (raw: unknown): number => Date.parse(string(raw));

export const ignore = (what: string, raw: unknown): void => console.warn(`Thiqa: ignored ${what}`, raw);

export const readAnswer = (raw: unknown): Answer => {
  const answer = fields(raw);
  return { ...answer, ok: answer.ok === true, code: string(answer.code), retry_after: number(answer.retry_after) };
};

export function readMessage(raw: unknown, channel?: string): Message | undefined {
  const it = fields(raw);
  const image = fields(it.image);
  const file = fields(it.document);
  const message = {
    number: number(it.number),
    author: it.author as Author,
    text: string(it.text),
    at: time(it.at),
    buttons: list(it.buttons)
      .map((button) => ({ id: string(fields(button).id), title: string(fields(button).title) }))
      .filter(({ id, title }) => id && title),
    image: string(image.id)
      ? { id: string(image.id), width: number(image.width) || 1, height: number(image.height) || 1 }
      : undefined,
    document: string(file.id) ? { id: string(file.id), name: string(file.name) || 'file' } : undefined,
    clientId: string(it.client_id) || undefined,
    channel,
  };
  if (Number.isInteger(message.number) && message.number && message.at && /^(customer|bot|agent)$/.test(message.author))
    return message;
  ignore('message', raw);
  return undefined;
}

export const readMessages = (raw: unknown, channel?: string): Message[] =>
  list(raw)
    .map((message) => readMessage(message, channel))
    .filter((message): message is Message => !!message);

export const readMarks = (raw: unknown): Marks => {
  const { delivered, seen, read } = fields(raw);
  return { delivered: number(delivered), seen: number(seen), read: number(read) };
};

/** Who answers now comes with the marks. */
export const readOwner = (raw: unknown): string => string(fields(raw).owner);

export const readTyping = (raw: unknown): Author | null => (raw === 'bot' || raw === 'agent' ? raw : null);

const ELSEWHERE = 'telegram';

export const readElsewhere = (raw: unknown): Elsewhere | undefined => {
  const { conversation, channel, messages, more } = fields(raw);
  // What is on a channel that this widget has no name for is not shown.
  return channel === ELSEWHERE && string(conversation)
    ? { id: string(conversation), messages: readMessages(messages, ELSEWHERE), more: !!more }
    : undefined;
};

/** One more message of the conversation on another channel. */
export const readElsewhereUttered = (raw: unknown): Elsewhere | undefined =>
  readElsewhere({ ...fields(raw), messages: [fields(raw).message] });

/** A link of the shop's bot, and nothing else that a browser might open. */
const telegramLink = (raw: unknown): string => (/^https:\/\/t\.me\//.test(string(raw)) ? string(raw) : '');

export const readTelegramLink = (raw: unknown): { url: string; expires: number } | undefined => {
  const url = telegramLink(fields(raw).url);
  return url ? { url, expires: time(fields(raw).expires_at) || Infinity } : undefined;
};

export function readSession(answer: Answer): Session | undefined {
  const token = string(answer.session);
  const visitor = string(answer.visitor);
  if (!answer.ok || !token || !visitor) {
    if (answer.ok) ignore('session', Object.keys(answer));
    return undefined;
  }
  const shop = fields(answer.shop);
  const limits = fields(answer.limits);
  return {
    token,
    visitor,
    refused: !!answer.refused,
    reset: !!answer.reset,
    now: time(answer.now) || Date.now(),
    last: number(answer.last),
    messages: readMessages(answer.messages),
    more: !!answer.more,
    marks: readMarks(answer.marks),
    owner: readOwner(answer.marks),
    typing: readTyping(answer.typing),
    identified: !!answer.identified,
    elsewhere: readElsewhere(answer.elsewhere),
    telegram: telegramLink(answer.telegram),
    shop: { ar: string(shop.ar), en: string(shop.en) },
    textLimit: number(limits.text, 4000),
    imageLimit: number(limits.image, 10 * 1024 * 1024),
  };
}

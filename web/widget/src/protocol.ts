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

export interface Message {
  number: number;
  author: Author;
  text: string;
  at: number;
  buttons: Button[];
  image?: Image;
  clientId?: string;
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

export function readMessage(raw: unknown): Message | undefined {
  const it = fields(raw);
  const image = fields(it.image);
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
    clientId: string(it.client_id) || undefined,
  };
  if (Number.isInteger(message.number) && message.number && message.at && /^(customer|bot|agent)$/.test(message.author))
    return message;
  ignore('message', raw);
  return undefined;
}

export const readMessages = (raw: unknown): Message[] =>
  list(raw)
    .map(readMessage)
    .filter((message): message is Message => !!message);

export const readMarks = (raw: unknown): Marks => {
  const { delivered, seen, read } = fields(raw);
  return { delivered: number(delivered), seen: number(seen), read: number(read) };
};

/** Who answers now comes with the marks. */
export const readOwner = (raw: unknown): string => string(fields(raw).owner);

export const readTyping = (raw: unknown): Author | null => (raw === 'bot' || raw === 'agent' ? raw : null);

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
    shop: { ar: string(shop.ar), en: string(shop.en) },
    textLimit: number(limits.text, 4000),
    imageLimit: number(limits.image, 10 * 1024 * 1024),
  };
}

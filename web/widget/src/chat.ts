import { serverTime, setServerTime } from './clock';
import { createConnection, type Phase } from './connection';
import {
  completeSince,
  emptyConversation,
  END,
  hasEnded,
  hasGap,
  merge,
  mergeMarks,
  mergeNewest,
  newest,
  timeline,
  unread,
  type Conversation,
} from './conversation';
import type { Emit } from './events';
import { ACCEPTED, createImages, save, type Images } from './images';
import { toLanguage, type Options } from './options';
import { createOutbox, type Entry } from './outbox';
import { formatWait } from './format';
import * as protocol from './protocol';
import type { Answer, Author, Button, Image, Message } from './protocol';
import { createRequest, RequestError } from './request';
import type { Storage } from './storage';
import { createStore, type Store } from './store';
import { say, table, type Key, type Language } from './strings';
import { transcript } from './transcript';

export interface Attachment {
  file: File;
  /** Set when the upload is through. */
  image?: Image;
}

export interface Notice {
  key: Key;
  value?: string | number;
  /** Server time until which sending is held. */
  until?: number;
}

export interface State {
  language: Language;
  open: boolean;
  phase: Phase;
  conversation: Conversation;
  /** The customer's conversation on another channel, read here and answered there. */
  elsewhere: Conversation;
  pending: Entry[];
  owner: string;
  /** The customer has ended the conversation, and the server may not know yet. */
  ending: boolean;
  typing: Author | null;
  identified: boolean;
  /** Address of the shop's Telegram bot. */
  telegram: string;
  shop: Record<string, string>;
  textLimit: number;
  loadingOlder: boolean;
  /** Counts sign-outs: what was typed before one is not for the next person. */
  signOuts: number;
  attachment?: Attachment;
  notice?: Notice;
  /** Open over the panel: a question, or an image. */
  dialog?: 'end' | 'rate' | 'telegram' | Image;
  /** What a screen reader is told, the latest few. */
  said: { id: number; text: string; urgent?: boolean }[];
}

export interface Chat {
  options: Options;
  storage: Storage;
  store: Store<State>;
  images: Images;
  say(key: Key, value?: string | number): string;
  title(): string;
  setOpen(open: boolean): void;
  /** `remember`: the visitor chose it, also for the next page. */
  setLanguage(language: Language, remember?: boolean): void;
  announce(text: string, urgent?: boolean): void;
  notify(notice?: Notice): void;
  show(dialog: State['dialog']): void;
  /** `attached`: with the image that is attached. */
  send(text: string, attached?: boolean): void;
  press(message: Message, button: Button): void;
  retry(id: string): void;
  discard(id: string): void;
  typing(on: boolean): void;
  /** The newest message is on the screen. */
  read(): void;
  older(): Promise<boolean>;
  attach(file: File | undefined): Promise<void>;
  end(): void;
  rate(score: number, comment: string): void;
  download(): Promise<void>;
  /** A link by which the visitor goes on in Telegram: as the same customer where `expires` is set. */
  telegramLink(): Promise<{ url: string; expires?: number }>;
  identify(token: string | null): Promise<void>;
  wake(): void;
  /** The device has left the net. */
  offline(): void;
  stored(event: StorageEvent): void;
  stop(): void;
}

interface Account {
  token: string;
  visitor: string;
}

export const noticeText = ({ key, value, until }: Notice, language: Language): string =>
  say(language, key, until ? formatWait(language, (until - serverTime()) / 1000) : value);

/** All that is here, in the order of time. */
export const allMessages = ({ conversation, elsewhere }: State): Message[] => timeline(conversation, elsewhere);

/** The server has more of it, further back. */
export const hasOlder = ({ conversation, elsewhere }: State): boolean => conversation.older || elsewhere.older;

/** The conversation is over, until the customer writes again. */
export const isEnded = ({ ending, pending, conversation }: State): boolean =>
  ending || (!pending.length && hasEnded(conversation));

/** Milliseconds after which an unsent message is taken for one whose tab is gone. */
const LEFT_BEHIND = 15_000;

const newId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');

export function createChat(options: Options, storage: Storage, emit: Emit): Chat {
  const store = createStore<State>({
    language: toLanguage(storage.text('language')) ?? options.language,
    open: false,
    phase: 'idle',
    conversation: emptyConversation,
    elsewhere: emptyConversation,
    pending: [],
    owner: 'bot',
    ending: false,
    typing: null,
    identified: false,
    telegram: '',
    shop: {},
    textLimit: 4000,
    loadingOlder: false,
    signOuts: 0,
    said: [],
  });
  const { get, set } = store;
  let imageLimit = 10 * 1024 * 1024;
  let visitor = '';
  let identity: string | undefined = options.identity || undefined;
  let elsewhereId = '';
  let lastUnread = 0;
  let catchingUp: Promise<void> | undefined;
  let typingEnds: ReturnType<typeof setTimeout> | undefined;
  let asking: ReturnType<typeof setTimeout> | undefined;
  let typingSentAt = 0;
  let lastSaid = 0;
  let stopped = false;

  const text = (key: Key, value?: string | number) => say(get().language, key, value);
  const account = (): Account | undefined => {
    const { token, visitor } = (storage.get('session') ?? {}) as Partial<Account>;
    return typeof token === 'string' && typeof visitor === 'string' ? { token, visitor } : undefined;
  };

  const announce = (text: string, urgent?: boolean) =>
    set({ said: [...get().said.slice(-4), { id: ++lastSaid, text, urgent }] });

  function notify(notice?: Notice) {
    set({ notice });
    if (notice) announce(noticeText(notice, get().language), true);
  }

  function fail(code: string) {
    console.warn('Thiqa:', code);
    emit('error', { code });
  }

  const connection = createConnection({
    server: options.server,
    sessionRequest: () => ({
      session_id: account()?.token ?? null,
      protocol: 1,
      // Another tab may have become another visitor.
      after: account()?.visitor === visitor ? get().conversation.end : 0,
      language: get().language,
    }),
    keep({ ok, session, visitor }) {
      if (ok && session && visitor) storage.set('session', { token: session, visitor });
    },
    async session(answer) {
      if (!(await enter(answer))) return false;
      if (identity && !get().identified) await signIn(identity).catch(() => {});
      return true;
    },
    event: receive,
    phase(phase) {
      const before = get().phase;
      set({ phase });
      if (phase === 'online') {
        outbox.adopt(LEFT_BEHIND);
        void outbox.pump();
      }
      if (phase !== before && (phase === 'online' || phase === 'offline')) emit('connection', phase);
    },
  });

  const request = createRequest(options.server, () => account()?.token ?? '', connection.renew);
  const images = createImages(request);

  const outbox = createOutbox({
    storage,
    ready: connection.ready,
    renewSession: connection.renew,
    async send(entry) {
      const call = () =>
        connection.call('user_uttered', { id: entry.id, message: entry.message, image: entry.image?.id });
      let answer = await call();
      if (answer.code === 'image' && entry.image) {
        // The server dropped the upload meanwhile; while this page still has the file, it goes up again.
        const image = await images.load(entry.image.id).then(images.upload, () => undefined);
        if (image) {
          entry.image = image;
          answer = await call();
        }
      }
      keepToken(answer.session);
      return answer;
    },
    sent({ id, text, image }, { number, at }) {
      const message = protocol.readMessage({ number, author: 'customer', text, at, client_id: id, image });
      if (message) take([message]);
      if (hasGap(get().conversation)) void catchUp();
      emit('sent', { id, number: Number(number), text });
    },
    hold: (seconds) => {
      notify(seconds ? { key: 'wait', until: serverTime() + seconds * 1000 } : undefined);
    },
    changed: () => set({ pending: outbox.entries() }),
  });

  function keepToken(token: unknown) {
    if (typeof token === 'string' && token && visitor) storage.set('session', { token, visitor });
  }

  function update(conversation: Conversation) {
    set({ conversation });
    const count = unread(conversation);
    if (count !== lastUnread) emit('unread', (lastUnread = count));
  }

  /** `unbroken`: see merge(). `quiet`: these were there before, nobody is told. */
  function take(messages: Message[], unbroken = false, quiet = false) {
    const { conversation } = get();
    const known = new Set(conversation.messages.map(({ number }) => number));
    update(merge(conversation, messages, unbroken));
    for (const { clientId, number, author, text: content, at } of messages) {
      if (clientId) outbox.remove(clientId);
      if (known.has(number) || author === 'customer' || quiet) continue;
      if (author === get().typing) setTyping(null);
      announce(`${text(author)}: ${content || text('image')}`);
      emit('message', { number, author, text: content, at: new Date(at) });
    }
  }

  function catchUp(): Promise<void> {
    return (catchingUp ??= (async () => {
      for (let last = Infinity; ;) {
        const { end } = get().conversation;
        if (end === last) break;
        last = end;
        const answer = await connection.call('history', { after: end });
        if (!answer.ok) break;
        const messages = protocol.readMessages(answer.messages);
        take(messages, true);
        if (!messages.length) update({ ...get().conversation, end: newest(get().conversation)?.number ?? end });
        if (!answer.more && !hasGap(get().conversation)) break;
      }
      catchingUp = undefined;
    })());
  }

  /** `incoming`: the newest there is, or one more; none where nothing else is this customer's any more. */
  function takeElsewhere(incoming: protocol.Elsewhere | undefined) {
    const known = incoming?.id === elsewhereId ? get().elsewhere : emptyConversation;
    elsewhereId = incoming?.id ?? '';
    set({ elsewhere: incoming ? mergeNewest(known, incoming.messages, incoming.more) : emptyConversation });
  }

  /** What is read elsewhere is not unread here, and makes no noise; who listens to the open panel hears of it. */
  function heardElsewhere({ id, messages }: protocol.Elsewhere) {
    if (id !== elsewhereId) return;
    const elsewhere = merge(get().elsewhere, messages, false);
    set({ elsewhere });
    if (hasGap(elsewhere)) askAgainSoon();
    if (get().open)
      for (const { author, text: content } of messages)
        announce(`${text(author)} (${text('via')}): ${content || text('image')}`);
  }

  function forget() {
    update(emptyConversation);
    setTyping(null);
    images.clear();
  }

  async function enter(answer: Answer): Promise<boolean> {
    const session = protocol.readSession(answer);
    if (!session) return false;
    setServerTime(session.now);
    const { messages } = session;
    const { end } = get().conversation;
    const skips = !!end && !!messages[0] && messages[0].number > end + 1;
    if (session.reset || skips || (visitor && visitor !== session.visitor)) forget();
    if (session.refused) notify({ key: 'refused' });
    ({ visitor } = session);
    keepToken(session.token);
    ({ imageLimit } = session);
    const { owner, shop, textLimit, identified, telegram } = session;
    set({ owner, shop, textLimit, identified, telegram });
    takeElsewhere(session.elsewhere);
    const first = !get().conversation.end;
    update({ ...get().conversation, marks: session.marks });
    take(messages, true, first);
    if (first) update({ ...get().conversation, older: session.more && messages[0]!?.number > 1 });
    setTyping(session.typing);
    if (get().conversation.end < session.last) await catchUp();
    return true;
  }

  function setTyping(typing: Author | null) {
    clearTimeout(typingEnds);
    set({ typing });
    if (typing) typingEnds = setTimeout(() => set({ typing: null }), 30_000);
  }

  /** Another tab signed in or out, and stores its new token in the meantime. */
  function askAgainSoon() {
    clearTimeout(asking);
    asking = setTimeout(() => connection.ready() && connection.renew(), 500);
  }

  function receive(name: string, raw: unknown) {
    if (name === 'bot_uttered' || name === 'customer_uttered') {
      const message = protocol.readMessage(raw);
      if (message) take([message]);
      if (hasGap(get().conversation)) void catchUp();
    } else if (name === 'marks') {
      const { conversation } = get();
      update({ ...conversation, marks: mergeMarks(conversation.marks, protocol.readMarks(raw)) });
      set({ owner: protocol.readOwner(raw) });
    } else if (name === 'typing') {
      const { author, on } = (raw ?? {}) as { author?: unknown; on?: unknown };
      setTyping(on === true ? protocol.readTyping(author) : null);
    } else if (name === 'elsewhere_uttered') {
      const said = protocol.readElsewhereUttered(raw);
      if (said) heardElsewhere(said);
    } else if (name === 'session_changed') {
      askAgainSoon();
    } else if (name !== 'session_confirm') {
      protocol.ignore(`event ${name}`, raw);
    }
  }

  async function signIn(token: string) {
    const answer = await connection.call('identify', { token });
    await signedIn(answer);
  }

  async function signedIn(answer: Answer) {
    if (!answer.ok) {
      // A refused token would be refused for ever; a lost connection is no refusal.
      if (/^identity|invalid/.test(answer.code!)) identity = undefined;
      fail(answer.code!);
      throw new Error(`Thiqa: ${answer.code}`);
    }
    await enter(answer);
    emit('identified', get().identified);
  }

  function post(entry: Pick<Entry, 'message' | 'text' | 'image'>) {
    if (!get().notice?.until) notify();
    outbox.add({ ...entry, id: newId(), at: serverTime() });
    connection.start();
  }

  async function identifyAs(token: string | null) {
    identity = undefined;
    if (token) {
       connection.start();
       await signedIn(await connection.insist('identify', { token }));
       identity = token;
       return;
     }
     outbox.clear();
     storage.set('draft', undefined);
     set({ attachment: undefined, signOuts: get().signOuts + 1 });
     if (account()) {
       connection.start();
       await signedIn(await connection.insist('sign_out', {}));
     }
  }

  async function older(): Promise<boolean> {
    const { conversation, elsewhere, loadingOlder } = get();
    // Of two that go further back, the one that holds the other back.
    const there = completeSince(elsewhere) > completeSince(conversation) ? elsewhereId : undefined;
    const before = (there ? elsewhere : conversation).messages[0]?.number;
    if (loadingOlder || !hasOlder(get()) || !before) return false;
    set({ loadingOlder: true });
    const answer = await connection.call('history', { before, conversation: there });
    set({ loadingOlder: false });
    if (!answer.ok || (there && there !== elsewhereId)) return false;
    if (there) {
      const { messages = [], more } = protocol.readElsewhere({ ...answer, conversation: there, channel: 'telegram' }) ?? {};
      set({ elsewhere: { ...merge(get().elsewhere, messages, false), older: !!more && !!messages.length } });
      return true;
    }
    const messages = protocol.readMessages(answer.messages);
    take(messages, false, true);
    update({ ...get().conversation, older: !!answer.more && !!messages.length });
    return true;
  }

  let ended: Promise<unknown> = Promise.resolve();
  let identifying: Promise<void> = Promise.resolve();

  const chat: Chat = {
    options,
    storage,
    store,
    images,
    announce,
    notify,
    older,
    say: text,
    title: () => options.text('title', get().language) || get().shop[get().language] || text('title'),
    setOpen(open) {
      if (open === get().open || stopped) return;
      set({ open });
      if (open) connection.start();
      emit(open ? 'open' : 'close', undefined);
    },
    setLanguage(language, remember) {
      set({ language });
      if (remember) storage.set('language', language);
      // The server words some things itself, in the language that the session was asked for in.
      if (connection.ready()) void connection.renew();
    },
    show: (dialog) => set({ dialog }),
    send(text, attached = true) {
      const image = attached ? get().attachment?.image : undefined;
      if (!text && !image) return;
      if (image) set({ attachment: undefined });
      post({ message: text, text, image });
    },
    press(message, { id, title }) {
      const { conversation, pending } = get();
      if (!pending.length && newest(conversation)?.number === message.number) post({ message: id, text: title });
    },
    retry: (id) => outbox.retry(id),
    discard: (id) => outbox.remove(id),
    typing(on) {
      const now = Date.now();
      if (on ? now - typingSentAt < 4000 : !typingSentAt) return;
      typingSentAt = on ? now : 0;
      if (connection.ready()) void connection.call('typing', { on });
    },
    read() {
      const { conversation } = get();
      const { end, marks } = conversation;
      if (!unread(conversation) || end <= marks.read || !connection.ready()) return;
      void connection.call('read', { number: end });
      update({ ...conversation, marks: { ...marks, read: end } });
    },
    async attach(file) {
      set({ attachment: undefined });
      notify();
      if (!file) return;
      const refuse = (code: string) => {
        const key = code in table ? (code as Key) : 'uploadFailed';
        notify({ key, value: Math.round(imageLimit / 1024 / 1024) });
        set({ attachment: undefined });
      };
      if (!ACCEPTED.includes(file.type || '-')) return refuse('not_image');
      if (file.size > imageLimit) return refuse('too_large');
      const attachment = { file };
      set({ attachment });
      try {
        await connection.whenReady();
        const image = await images.upload(file);
        if (get().attachment === attachment) set({ attachment: { file, image } });
      } catch (error) {
        if (get().attachment === attachment) refuse(error instanceof RequestError ? error.code : '');
      }
    },
    end() {
      set({ dialog: 'rate' });
      // Perhaps in another tab, while this one asked.
      if (isEnded(get())) return;
      set({ ending: true });
      ended = connection.insist('end', { id: END + newId() }).then(async ({ ok, number }) => {
        if (ok && Number(number) > get().conversation.end) await catchUp();
        set({ ending: false });
      });
    },
    rate(score, comment) {
      const payload = { score, comment: comment || undefined, id: newId() };
      void ended
        .then(() => connection.insist('rate', payload))
        .then(({ ok, code }) => {
          if (ok) emit('rated', { score });
          else fail(code!);
        });
    },
    async download() {
      while (hasOlder(get()) && (await older()));
      const { language } = get();
      if (hasOlder(get())) return notify({ key: 'transcriptFailed' });
      const body = transcript(allMessages(get()), chat.title(), language, serverTime());
      const day = new Date(serverTime()).toISOString().slice(0, 10);
      save(new Blob([body], { type: 'text/plain;charset=utf-8' }), `chat-${day}.txt`);
    },
    async telegramLink() {
      const { identified, telegram } = get();
      if (!identified) return { url: telegram };
      try {
        const link = protocol.readTelegramLink(await (await request('telegram-link', {})).json());
        if (link) return link;
      } catch (error) {
        // Nobody knows any more who this is.
        if (error instanceof RequestError && error.code === 'not_identified') return { url: telegram };
        throw error;
      }
      throw new RequestError('');
    },
    async identify(token) {
      if (token !== null && (typeof token !== 'string' || !token))
        throw new TypeError('Thiqa.identify(token): token is a non-empty string, or null to sign out');
      // One after the other: the last word counts.
      return (identifying = identifying.catch(() => {}).then(() => identifyAs(token)));
    },
    wake() {
      outbox.adopt(LEFT_BEHIND);
      void outbox.pump();
      connection.wake();
    },
    offline: connection.offline,
    stored(event) {
      const name = storage.changed(event);
      if (name?.startsWith('outbox.') && event.newValue === null) outbox.forget(name.slice(7));
      // Another tab signed out or in: this one follows. A renewed token of the same visitor is no news.
      if (name === 'session' && account() && account()!.visitor !== visitor) {
        // Nor is who this tab was signed in as of any more meaning: that tab decided.
        identity = undefined;
        if (connection.started()) void connection.renew();
        else connection.start();
      }
    },
    stop() {
      stopped = true;
      clearTimeout(typingEnds);
      clearTimeout(asking);
      connection.stop();
    },
  };

  outbox.adopt(0);
  if (account()) connection.start();
  return chat;
}

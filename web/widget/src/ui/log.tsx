import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { serverTime } from '../clock';
import { allMessages, hasOlder } from '../chat';
import { delivery, joined, newest } from '../conversation';
import { formatDay, startOfDay } from '../format';
import type { Message } from '../protocol';
import type { Key } from '../strings';
import type { Props } from './common';
import { Bubble } from './message';

/** How many messages are drawn at first, and more at a time: long conversations stay quick. */
const PAGE = 80;

const ALL = 'all';

const keyOf = ({ clientId, channel, number }: Message): string => clientId ?? (channel ?? '') + number;

export function Log({ chat, state }: Props) {
  const { conversation, pending, typing, language, loadingOlder } = state;
  const { marks } = conversation;
  const messages = allMessages(state);
  const { say } = chat;
  const box = useRef<HTMLDivElement>(null);
  /** While the customer reads further up, the key of the first message drawn, or all; '' follows the newest. */
  const [from, setFrom] = useState('');
  const [below, setBelow] = useState(false);
  const atBottom = useRef(true);
  const drawn = useRef({ first: '', height: 0, last: '', own: 0 });

  const shown = messages.slice(
    from === ALL ? 0 : from ? Math.max(0, messages.findIndex((message) => keyOf(message) === from)) : -PAGE,
  );
  const hidden = messages.length > shown.length || hasOlder(state);
  const last = newest(conversation);
  const latest = messages[messages.length - 1];
  const first = shown[0] ? keyOf(shown[0]) : '';

  const toBottom = () => box.current?.scrollTo({ top: box.current.scrollHeight });

  const settle = () => {
    if (atBottom.current && document.visibilityState === 'visible') {
      setBelow(false);
      chat.read();
    }
  };

  useLayoutEffect(() => {
    const log = box.current!;
    const before = drawn.current;
    const own = pending.length + messages.filter(({ author }) => author === 'customer').length;
    const end = latest ? keyOf(latest) : '';
    if (shown.findIndex((message) => keyOf(message) === before.first) > 0) log.scrollTop += log.scrollHeight - before.height;
    else if (atBottom.current || (own > before.own && pending.length)) toBottom();
    else if (end !== before.last && messages.some((message) => keyOf(message) === before.last)) setBelow(true);
    drawn.current = { first, height: log.scrollHeight, last: end, own };
  });

  useEffect(() => {
    settle();
  }, [last?.number, marks.read, state.phase]);

  useEffect(() => {
    // The keyboard, a banner or a longer draft takes room: what was at the bottom stays there.
    const resized = new ResizeObserver(() => atBottom.current && toBottom());
    resized.observe(box.current!);
    document.addEventListener('visibilitychange', settle);
    return () => {
      resized.disconnect();
      document.removeEventListener('visibilitychange', settle);
    };
  }, []);

  function showOlder() {
    const above = messages.length - shown.length;
    if (above) setFrom(keyOf(messages[Math.max(0, above - PAGE)]!));
    else void chat.older().then((more) => more && setFrom(ALL));
  }

  function onScroll() {
    if (!box.current) return;
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    atBottom.current = scrollHeight - scrollTop - clientHeight < 40;
    setFrom(atBottom.current ? '' : from || first);
    settle();
    if (scrollTop < 80 && hidden && !loadingOlder) showOlder();
  }

  const rows = [
    ...shown.map((message) => ({
      key: keyOf(message),
      message: message as Message,
      state: message.author === 'customer' && !message.channel ? delivery(message, marks) : undefined,
      failed: undefined as string | undefined,
    })),
    ...pending.map(({ id, text, at, image, failed }) => ({
      key: id,
      message: { number: 0, author: 'customer' as const, text, at, image, buttons: [], clientId: id },
      state: failed ? ('failed' as const) : ('sending' as const),
      failed,
    })),
  ];

  return (
    <div class="log-box">
      <div
        ref={box}
        class="log"
        data-part="log"
        role="log"
        aria-live="off"
        aria-label={say('messages')}
        tabIndex={0}
        onScroll={onScroll}
      >
        {hidden ? (
          <button class="quiet older" data-part="older" disabled={loadingOlder} onClick={showOlder}>
            {say(loadingOlder ? 'loading' : 'older')}
          </button>
        ) : (
          <Welcome chat={chat} state={state} empty={!rows.length} />
        )}
        {rows.map(({ key, message, state: own, failed }, i) => {
          const before = rows[i - 1]?.message;
          const after = rows[i + 1]?.message;
          const day = !before || startOfDay(before.at) !== startOfDay(message.at);
          const follower = rows.slice(i + 1).find((row) => row.state);
          return (
            <>
              {day && (
                <h3 class="day" key={'day' + key}>
                  {formatDay(language, message.at, serverTime())}
                </h3>
              )}
              <Bubble
                key={key}
                chat={chat}
                language={language}
                message={message}
                own={own}
                failed={failed}
                first={day || !joined(before, message)}
                last={!after || !joined(message, after) || startOfDay(after.at) !== startOfDay(message.at)}
                status={!!own && (failed !== undefined || follower?.state !== own)}
                buttons={!pending.length && message === last}
              />
            </>
          );
        })}
        {typing && (
          <div class="typing" data-part="typing">
            <span class="dots" aria-hidden="true">
              <i />
              <i />
              <i />
            </span>
            <span class="typing-text">{say('typing', say(typing))}</span>
          </div>
        )}
      </div>
      {below && (
        <button class="new-messages" data-part="new-messages" onClick={toBottom}>
          {say('newMessages')} ↓
        </button>
      )}
    </div>
  );
}

function Welcome({ chat, state, empty }: Props & { empty: boolean }) {
  const { say, options } = chat;
  const starters: Key[] = ['starter1', 'starter2', 'starter3', 'starter4'];
  return (
    <div class="welcome" data-part="welcome">
      <h3>{say('welcome')}</h3>
      <p>{say('welcomeText')}</p>
      {empty && state.phase !== 'idle' && (
        <div class="buttons">
          {starters.map((key) => (
            <button class="pill" data-part="starter" onClick={() => chat.send(say(key), false)}>
              {say(key)}
            </button>
          ))}
        </div>
      )}
      <p class="privacy">
        {say('privacyNote')}{' '}
        {options.privacyUrl && (
          <a href={options.privacyUrl} target="_blank" rel="noopener">
            {say('privacy')}
          </a>
        )}
      </p>
    </div>
  );
}

import { useEffect, useRef, useState } from 'preact/hooks';
import { noticeText } from '../chat';
import { active, focusable, focusInput, type Props } from './common';
import { Composer } from './composer';
import { Icon } from './icons';
import { Log } from './log';
import { Menu } from './menu';

export function Panel({ chat, state, full }: Props & { full: boolean }) {
  const panel = useRef<HTMLElement>(null);
  const { phase, owner, language } = state;
  const { say } = chat;

  useEffect(() => {
    focusInput(panel.current!);
  }, []);

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === 'Escape' && !event.isComposing) chat.setOpen(false);
    if (event.key !== 'Tab' || !full) return;
    const elements = focusable(panel.current!);
    const edge = elements[event.shiftKey ? 0 : elements.length - 1];
    const current = active(panel.current!);
    if (current !== edge && current !== panel.current) return;
    if (current === panel.current && !event.shiftKey) return;
    event.preventDefault();
    elements[event.shiftKey ? elements.length - 1 : 0]?.focus();
  }

  const status =
    phase === 'offline'
      ? say('offlineStatus')
      : phase === 'connecting'
        ? say('connecting')
        : owner === 'queue'
          ? say('queue')
          : owner === 'agent'
            ? say('withAgent')
            : chat.options.text('subtitle', language) || say('subtitle');

  const title = chat.title();
  return (
    <section
      ref={panel}
      class="panel"
      data-part="panel"
      role="dialog"
      aria-modal={full}
      aria-label={title}
      tabIndex={-1}
      onKeyDown={onKeyDown}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        const file = event.dataTransfer?.files[0];
        if (file) void chat.attach(file);
      }}
    >
      <div class="header">
        <span class="avatar">
          <Icon name="chat" />
        </span>
        <div class="who">
          <h2 dir="auto">{title}</h2>
          <p>{status}</p>
        </div>
        <Menu chat={chat} state={state} />
        <button class="round" data-part="close" aria-label={say('closeChat')} onClick={() => chat.setOpen(false)}>
          <Icon name={full ? 'close' : 'down'} />
        </button>
      </div>
      {phase === 'offline' && <Offline chat={chat} state={state} />}
      <Log chat={chat} state={state} />
      <NoticeBar chat={chat} state={state} />
      <Composer key={state.signOuts} chat={chat} state={state} />
    </section>
  );
}

function Offline({ chat, state }: Props) {
  const { email, phone, url } = chat.options.contact;
  const { say } = chat;
  const key = state.conversation.end ? 'lost' : 'unreachable';
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    chat.announce(say(key), true);
    const banner = box.current!;
    return () => {
      if (banner.contains(active(banner))) focusInput(banner);
    };
  }, []);
  return (
    <div ref={box} class="offline" data-part="offline">
      <p>{say(key)}</p>
      <button class="quiet" data-part="retry-now" onClick={chat.wake}>
        {say('tryNow')}
      </button>
      {(email || phone || url) && (
        <div class="ways" data-part="other-ways">
          {say('otherWays')}
          <ul>
            {email && (
              <li>
                <a dir="ltr" href={'mailto:' + email}>
                  {email}
                </a>
              </li>
            )}
            {phone && (
              <li>
                <a dir="ltr" href={'tel:' + phone.replace(/[^\d+]/g, '')}>
                  {phone}
                </a>
              </li>
            )}
            {url && (
              <li>
                <a href={url} target="_blank" rel="noopener">
                  {say('contactPage')}
                </a>
              </li>
            )}
          </ul>
        </div>
      )}
    </div>
  );
}

function NoticeBar({ chat, state: { notice, language } }: Props) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (!notice?.until) return;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [notice]);
  if (!notice) return null;
  return (
    <div class="notice" data-part="notice">
      <p>{noticeText(notice, language)}</p>
      {!notice.until && (
        <button
          class="small"
          aria-label={chat.say('close')}
          onClick={(event) => {
            focusInput(event.currentTarget);
            chat.notify();
          }}
        >
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}

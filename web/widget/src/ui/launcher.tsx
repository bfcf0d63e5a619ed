import { useEffect, useRef, useState } from 'preact/hooks';
import { unread } from '../conversation';
import { formatCount } from '../format';
import type { Props } from './common';
import { Icon } from './icons';

export function Launcher({ chat, state }: Props) {
  const button = useRef<HTMLButtonElement>(null);
  const { open, language, conversation } = state;
  const wasOpen = useRef(open);
  const count = unread(conversation);
  useEffect(() => {
    if (wasOpen.current && !open) button.current?.focus();
    wasOpen.current = open;
  }, [open]);
  const label = chat.say(open ? 'closeChat' : 'open');
  return (
    <button
      ref={button}
      class="launcher"
      data-part="launcher"
      aria-expanded={open}
      aria-label={count ? `${label} (${formatCount(language, 'unread', count)})` : label}
      // The second click of a double click is none.
      onClick={(event) => event.detail < 2 && chat.setOpen(!open)}
    >
      <Icon name={open ? 'down' : 'chat'} />
      {count > 0 && (
        <span class="badge" data-part="badge" aria-hidden="true">
          {count > 99 ? '99+' : count}
        </span>
      )}
    </button>
  );
}

/** A word beside the launcher, once for each visitor. */
export function Greeting({ chat, state }: Props) {
  const [shown, setShown] = useState(false);
  const text = chat.options.text('greeting', state.language);
  useEffect(() => {
    if (!text || chat.storage.get('greeted')) return;
    const timer = setTimeout(() => {
      if (chat.store.get().open) return;
      setShown(true);
      chat.announce(text);
      chat.storage.set('greeted', true);
    }, 1500);
    return () => clearTimeout(timer);
  }, []);
  useEffect(() => {
    if (state.open) setShown(false);
  }, [state.open]);
  if (!shown || !text || state.open) return null;
  return (
    <div class="greeting" data-part="greeting">
      <button class="greeting-text" dir="auto" onClick={() => chat.setOpen(true)}>
        {text}
      </button>
      <button class="small" data-part="greeting-close" aria-label={chat.say('close')} onClick={() => setShown(false)}>
        <Icon name="close" />
      </button>
    </div>
  );
}

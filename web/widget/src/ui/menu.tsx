import { useEffect, useRef, useState } from 'preact/hooks';
import { allMessages, isEnded } from '../chat';
import { moveByArrows, type Props } from './common';
import { Icon } from './icons';

export function Menu({ chat, state }: Props) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const { say, options } = chat;
  const other = state.language === 'ar' ? 'en' : 'ar';
  const button = () => box.current!.querySelector('button')!;

  useEffect(() => {
    if (!open) return;
    box.current!.querySelector<HTMLElement>('[role=menuitem]')!.focus();
    const close = (event: Event) => {
      if (!event.composedPath().includes(box.current!)) setOpen(false);
    };
    document.addEventListener('pointerdown', close);
    return () => document.removeEventListener('pointerdown', close);
  }, [open]);

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === 'Escape') {
      event.stopPropagation();
      button().focus();
    }
    if (event.key === 'Escape' || event.key === 'Tab') setOpen(false);
    moveByArrows(event, 1, false);
  }

  const choose = (action: () => void) => () => {
    setOpen(false);
    button().focus();
    action();
  };

  return (
    <div class="menu-box" ref={box}>
      <button
        class="round"
        data-part="menu"
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={say('menu')}
        onClick={() => setOpen(!open)}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') {
            event.preventDefault();
            setOpen(true);
          }
        }}
      >
        <Icon name="menu" />
      </button>
      {open && (
        <div class="menu" role="menu" data-part="menu-list" aria-label={say('menu')} onKeyDown={onKeyDown}>
          <button
            role="menuitem"
            tabIndex={-1}
            data-part="menu-item-language"
            lang={other}
            onClick={choose(() => chat.setLanguage(other, true))}
          >
            <Icon name="language" />
            {other === 'ar' ? 'العربية' : 'English'}
          </button>
          {state.telegram && (
            <button
              role="menuitem"
              tabIndex={-1}
              data-part="menu-item-telegram"
              onClick={choose(() => chat.show('telegram'))}
            >
              <Icon name="send" />
              {say('telegram')}
            </button>
          )}
          {allMessages(state).length > 0 && (
            <>
              <button
                role="menuitem"
                tabIndex={-1}
                data-part="menu-item-transcript"
                onClick={choose(() => void chat.download())}
              >
                <Icon name="download" />
                {say('transcript')}
              </button>
              {state.conversation.end > 0 && !isEnded(state) && (
                <button
                  role="menuitem"
                  tabIndex={-1}
                  data-part="menu-item-end"
                  onClick={choose(() => chat.show('end'))}
                >
                  <Icon name="check" />
                  {say('end')}
                </button>
              )}
            </>
          )}
          {options.privacyUrl && (
            <a
              role="menuitem"
              tabIndex={-1}
              data-part="menu-item-privacy"
              href={options.privacyUrl}
              target="_blank"
              rel="noopener"
              onClick={choose(() => {})}
            >
              <Icon name="lock" />
              {say('privacy')}
            </a>
          )}
        </div>
      )}
    </div>
  );
}

import { useEffect, useRef } from 'preact/hooks';
import type { Chat } from '../chat';
import { css, parseColor, readableOn, textOn, type Rgb } from '../color';
import { useStore } from '../store';
import { useMedia } from './common';
import { Dialogs } from './dialogs';
import { Greeting, Launcher } from './launcher';
import { Panel } from './panel';

/*
 * Elements carry `data-part` for tests and scripts, in the (open) shadow root of <thiqa-chat>:
 *   launcher, badge, greeting, greeting-close; panel, close, notice, offline, retry-now, other-ways;
 *   log, older, welcome, starter, new-messages, typing;
 *   message (with data-number, data-author, data-state: sending|sent|delivered|seen|failed, and data-channel where it
 *   was said elsewhere), via, copy, image, document, buttons, button, retry, delete;
 *   composer, input, send, emoji, emoji-grid, attach, file, preview;
 *   menu, menu-list, menu-item-language, menu-item-telegram, menu-item-transcript, menu-item-end, menu-item-privacy;
 *   end, end-confirm; rating, star, comment, rate-send; telegram, telegram-open, telegram-retry; viewer, download; live.
 */

const PAPER: Record<string, Rgb> = { light: [251, 250, 247], dark: [22, 26, 24] };

export function App({ chat, host }: { chat: Chat; host: HTMLElement }) {
  const state = useStore(chat.store);
  const root = useRef<HTMLDivElement>(null);
  const { options } = chat;
  const { language, open } = state;
  const rtl = language === 'ar';
  const systemDark = useMedia('(prefers-color-scheme:dark)');
  const theme = options.theme === 'auto' ? (systemDark ? 'dark' : 'light') : options.theme;
  const full = useMedia('(max-width:480px),(max-height:480px)');
  const { position } = options;
  const side =
    position === 'end' ? (rtl ? 'left' : 'right') : position === 'start' ? (rtl ? 'right' : 'left') : position;

  useEffect(() => {
    const { style } = root.current!;
    const paint = () => {
      const wish = getComputedStyle(host).getPropertyValue('--thiqa-accent').trim() || options.accent;
      const accent = parseColor(wish) ?? [13, 92, 74];
      style.setProperty('--accent', css(accent));
      style.setProperty('--on-accent', css(textOn(accent)));
      style.setProperty('--accent-text', css(readableOn(accent, PAPER[theme]!)));
    };
    paint();
    for (const [name, value] of Object.entries(options.lengths)) style.setProperty(name, value);
    // The page may wish another colour on another screen.
    addEventListener('resize', paint);
    return () => removeEventListener('resize', paint);
  }, [theme]);

  // On a phone the keyboard covers the page without resizing it; only the visual viewport tells.
  useEffect(() => {
    const viewport = window.visualViewport;
    if (!viewport || !full) return;
    const fit = () => {
      root.current?.style.setProperty('--thiqa_height', `${viewport.height}px`);
      root.current?.style.setProperty('--thiqa_top', `${viewport.offsetTop}px`);
    };
    fit();
    viewport.addEventListener('resize', fit);
    viewport.addEventListener('scroll', fit);
    return () => {
      viewport.removeEventListener('resize', fit);
      viewport.removeEventListener('scroll', fit);
    };
  }, [full]);

  // A page that listens for keys sees them coming from an element that is no text field: typing would trigger its shortcuts.
  const keep = (event: Event) => event.stopPropagation();

  return (
    <div
      ref={root}
      class={`root ${theme} ${side}${open ? ' is-open' : ''}${full ? ' full' : ''}`}
      role="complementary"
      aria-label={chat.title()}
      dir={rtl ? 'rtl' : 'ltr'}
      lang={language}
      onKeyDown={keep}
      onKeyUp={keep}
      onKeyPress={keep}
    >
      {open && <Panel chat={chat} state={state} full={full} />}
      <Greeting chat={chat} state={state} />
      <Launcher chat={chat} state={state} />
      <Dialogs chat={chat} state={state} />
      {[false, true].map((urgent) => (
        <div class="hidden" aria-live={urgent ? 'assertive' : 'polite'} aria-relevant="additions" data-part="live">
          {state.said
            .filter((said) => !!said.urgent === urgent)
            .map(({ id, text }) => (
              <p key={id}>{text}</p>
            ))}
        </div>
      ))}
    </div>
  );
}

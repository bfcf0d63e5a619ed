import { render } from 'preact';
import type { Api } from './api';
import { createApi } from './api';
import { createChat } from './chat';
import { createEvents } from './events';
import { readOptions } from './options';
import { createStorage } from './storage';
import styles from './style.css?inline';
import { App } from './ui/app';

declare global {
  interface Window {
    Thiqa?: Api;
  }
}

/** A constructed style sheet is allowed under every Content-Security-Policy; old browsers get an element. */
function addStyles(shadow: ShadowRoot) {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
    shadow.adoptedStyleSheets = [sheet];
  } catch {
    shadow.appendChild(document.createElement('style')).textContent = styles;
  }
}

function start(script?: HTMLScriptElement) {
  const page = { href: location.href, language: document.documentElement.lang };
  const options = readOptions(Object.assign(Object.create(null), script?.dataset), script?.src ?? '', page);
  const { emit, on } = createEvents();
  const chat = createChat(options, createStorage(options.server), emit);
  const host = document.createElement('thiqa-chat');
  const shadow = host.attachShadow({ mode: 'open' });
  const leaving = new AbortController();
  const { signal } = leaving;

  const api = createApi(chat, on, () => {
    if (signal.aborted) return;
    leaving.abort();
    chat.stop();
    render(null, shadow);
    host.remove();
    if (window.Thiqa === api) delete window.Thiqa;
  });
  window.Thiqa = api;

  function mount() {
    if (signal.aborted) return;
    addStyles(shadow);
    // Beside the body: what the page does to that (zoom, filters, menus that push it aside) would move the chat too.
    document.documentElement.append(host);
    render(<App chat={chat} host={host} />, shadow);
    const wake = () => document.visibilityState === 'visible' && chat.wake();
    for (const event of ['focus', 'online', 'pageshow']) addEventListener(event, wake, { signal });
    addEventListener('offline', chat.offline, { signal });
    document.addEventListener('visibilitychange', wake, { signal });
    addEventListener('storage', chat.stored, { signal });
    if (options.open) chat.setOpen(true);
    emit('ready', undefined);
  }

  if (document.body) mount();
  else document.addEventListener('DOMContentLoaded', mount, { signal });
}

/** A module does not know its own tag. */
function ownTag(): HTMLScriptElement | undefined {
  if (document.currentScript) return document.currentScript as HTMLScriptElement;
  const tags = [...document.querySelectorAll<HTMLScriptElement>('script[src]')].filter(({ src }) =>
    /\/widget\.js($|[?#])/.test(src),
  );
  return tags.find(({ type }) => type === 'module') ?? tags.pop();
}

try {
  // An element of the page may have that id, and so that name.
  if (typeof window.Thiqa?.destroy === 'function') console.warn('Thiqa: the widget is on this page already; the second script does nothing.');
  else start(ownTag());
} catch (error) {
  console.error('Thiqa: the widget could not start', error);
}

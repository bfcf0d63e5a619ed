import type { Chat } from './chat';
import type { Events } from './events';

export interface Api {
  open(): void;
  close(): void;
  toggle(): void;
  /** A token signed by the shop's site; `null` signs out. */
  identify(token: string | null): Promise<void>;
  setLanguage(language: 'ar' | 'en'): void;
  /** Returns a function that ends the subscription. */
  on<Name extends keyof Events>(event: Name, listener: (detail: Events[Name]) => void): () => void;
  /** Removes the widget and everything it set up. */
  destroy(): void;
}

export const createApi = (chat: Chat, on: Api['on'], destroy: () => void): Api => ({
  open: () => chat.setOpen(true),
  close: () => chat.setOpen(false),
  toggle: () => chat.setOpen(!chat.store.get().open),
  identify: chat.identify,
  setLanguage(language) {
    if (language === 'ar' || language === 'en') chat.setLanguage(language);
    else console.error('Thiqa.setLanguage(language): language is "ar" or "en"; got', language);
  },
  on,
  destroy,
});

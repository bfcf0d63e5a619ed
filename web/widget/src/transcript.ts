import { formatDateTime } from './format';
import type { Message } from './protocol';
import { say, type Language } from './strings';

/** A text file that Notepad opens right too: with a byte order mark and CRLF. */
export function transcript(messages: Message[], shop: string, language: Language, now: number): string {
  const lines = messages.map(({ at, author, text, image, document, channel }) => {
    const content = [image && `[${say(language, 'image')}]`, document && `[${document.name}]`, text];
    const who = [say(language, author), channel && `(${say(language, 'via')})`];
    return `${formatDateTime(language, at)} – ${who.filter(Boolean).join(' ')}: ${content.filter(Boolean).join(' ')}`;
  });
  const head = [`${say(language, 'transcriptTitle')} – ${shop}`, formatDateTime(language, now), ''];
  return '\ufeff' + [...head, ...lines, ''].join('\n').replace(/\r?\n/g, '\r\n');
}

export interface Piece {
  text: string;
  href?: string;
  /** A run that reads from left to right also inside Arabic: an address, a phone number, a code. */
  ltr?: boolean;
}

// Spaces, quotes and the invisible characters that reorder text end a link.
const URL_CHARACTER = '[^\\s<>"\'«»“”\u200e\u200f\u202a-\u202e\u2066-\u2069]';
const RUN = new RegExp(
  [
    `https?://${URL_CHARACTER}+`,
    '(?:mailto:)?[\\w.+-]+@[a-z\\d-]+(?:\\.[a-z\\d-]+)+',
    // Phone and card numbers: they scramble in right-to-left text without this.
    '\\+?\\(?\\d[\\d ()./-]{5,}\\d',
    // Codes of several parts with a letter, like 1004-A or SA/22/x.
    '(?=[\\w/.:-]*[a-z])[a-z\\d]+(?:[-_/.:][a-z\\d]+)+',
    // Whole words, so that no run begins in the middle of one (AX55010004).
    '[a-z]\\w*',
  ].join('|'),
  'gi',
);
const TRAILING = /[.,;:!?،؛؟…*_~]+$/;

/** What follows a link in a sentence is not part of it: full stops, and a bracket that was opened before it. */
function trimLink(link: string): string {
  for (;;) {
    const shorter = link.replace(TRAILING, '').replace(/[)\]}]$/, (bracket) => {
      const open = { ')': '(', ']': '[', '}': '{' }[bracket]!;
      return link.split(open).length < link.split(bracket).length ? '' : bracket;
    });
    if (shorter === link) return link;
    link = shorter;
  }
}

function target(run: string): string | undefined {
  try {
    if (/^https?:/i.test(run)) return new URL(run).href;
  } catch {
    return undefined;
  }
  return run.includes('@') ? 'mailto:' + run.replace(/^mailto:/i, '') : undefined;
}

export function split(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const { 0: match, index } of text.matchAll(RUN)) {
    if (/^[a-z]\w*$/i.test(match)) continue;
    const link = /^https?:|@/i.test(match);
    const run = link ? trimLink(match) : match;
    if (index > from) pieces.push({ text: text.slice(from, index) });
    pieces.push({ text: run, ltr: true, href: link ? target(run) : undefined });
    from = index + run.length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from) });
  return pieces;
}

export const Text = ({ text }: { text: string }) => (
  <div class="text" dir="auto">
    {split(text).map(({ text, href, ltr }) =>
      href ? (
        <a href={href} dir="ltr" target="_blank" rel="noopener noreferrer nofollow">
          {text}
        </a>
      ) : ltr ? (
        <bdi dir="ltr">{text}</bdi>
      ) : (
        text
      ),
    )}
  </div>
);

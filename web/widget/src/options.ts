import type { Language } from './strings';

export interface Options {
  /** Base address of the server, without a slash at the end. */
  server: string;
  language: Language;
  position: string;
  accent: string;
  theme: string;
  open: boolean;
  identity: string;
  contact: { email: string; phone: string; url: string };
  privacyUrl: string;
  /** CSS lengths by the name of their custom property. */
  lengths: Record<string, string>;
  /** `data-title-ar` before `data-title`, and so on. */
  text(name: 'title' | 'subtitle' | 'greeting', language: Language): string;
}

const DEFAULT_ACCENT = '#0d5c4a';

export const toLanguage = (value: string | undefined): Language | undefined =>
  /^ar/i.test(value ?? '') ? 'ar' : /^en/i.test(value ?? '') ? 'en' : undefined;

export function webAddress(value: string | undefined, base: string): string {
  try {
    const url = new URL(value ?? '', base);
    return value && /^https?:$/.test(url.protocol) ? url.href : '';
  } catch {
    return '';
  }
}

/** `data` are the data-attributes of the script tag, `src` its address, `page` the address and language of the page. */
export function readOptions(
  data: Record<string, string | undefined>,
  src: string,
  page: { href: string; language: string },
): Options {
  const oneOf = (value: string | undefined, allowed: string[]) => {
    if (value && !allowed.includes(value)) console.warn(`Thiqa: unknown option "${value}", one of`, allowed);
    return value && allowed.includes(value) ? value : allowed[0]!;
  };
  const lengths: Record<string, string> = {};
  // Names of our own: the page's custom properties are inherited here, whatever they are called.
  for (const [name, pattern, value] of [
    ['--thiqa_x', /^\d+(px)?$/, data.offsetX],
    ['--thiqa_y', /^\d+(px)?$/, data.offsetY],
    ['--thiqa_z', /^\d+$/, data.zIndex],
  ] as const) {
    if (value && pattern.test(value)) lengths[name] = name === '--thiqa_z' ? value : parseInt(value) + 'px';
    else if (value) console.warn(`Thiqa: not a number of pixels: "${value}"`);
  }
  return {
    server: (webAddress(data.server, page.href) || new URL('.', src || page.href).href).replace(/[?#].*|\/+$/g, ''),
    language: toLanguage(data.language) ?? toLanguage(page.language) ?? 'ar',
    position: oneOf(data.position, ['end', 'start', 'left', 'right']),
    accent: data.accent || DEFAULT_ACCENT,
    theme: oneOf(data.theme, ['auto', 'light', 'dark']),
    open: data.open !== undefined && data.open !== 'false',
    identity: data.identity ?? '',
    contact: {
      email: data.contactEmail ?? '',
      phone: data.contactPhone ?? '',
      url: webAddress(data.contactUrl, page.href),
    },
    privacyUrl: webAddress(data.privacyUrl, page.href),
    lengths,
    text: (name, language) => data[name + (language === 'ar' ? 'Ar' : 'En')] ?? data[name] ?? '',
  };
}

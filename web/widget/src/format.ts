import { plurals, say, type Language } from './strings';

/** Arabic with Western digits and the Gregorian calendar, as shops in the region write. */
const LOCALES = { ar: 'ar-SA-u-nu-latn-ca-gregory', en: 'en' };

const formatters = new Map<string, Intl.DateTimeFormat>();

function format(language: Language, at: number, options: Intl.DateTimeFormatOptions): string {
  const key = language + JSON.stringify(options);
  const formatter = formatters.get(key) ?? new Intl.DateTimeFormat(LOCALES[language], options);
  formatters.set(key, formatter);
  return formatter.format(at);
}

export const formatTime = (language: Language, at: number): string =>
  format(language, at, { hour: 'numeric', minute: '2-digit' });

export const formatDateTime = (language: Language, at: number): string =>
  format(language, at, { day: 'numeric', month: 'long', year: 'numeric', hour: 'numeric', minute: '2-digit' });

export const startOfDay = (at: number): number => new Date(at).setHours(0, 0, 0, 0);

export function formatDay(language: Language, at: number, now: number): string {
  const days = Math.round((startOfDay(now) - startOfDay(at)) / 86_400_000);
  if (days === 0) return say(language, 'today');
  if (days === 1) return say(language, 'yesterday');
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return format(language, at, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    year: sameYear ? undefined : 'numeric',
  });
}

export function formatCount(language: Language, what: keyof typeof plurals, count: number): string {
  const forms: Record<string, string> = plurals[what][language];
  return (forms[new Intl.PluralRules(language).select(count)] ?? forms.other!).replace('{}', String(count));
}

export const formatWait = (language: Language, seconds: number): string =>
  seconds > 90
    ? formatCount(language, 'minutes', Math.ceil(seconds / 60))
    : formatCount(language, 'seconds', Math.max(1, Math.ceil(seconds)));

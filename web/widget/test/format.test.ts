import { expect, it } from 'vitest';
import { formatCount, formatDay, formatTime, formatWait } from '../src/format';
import { plurals, table } from '../src/strings';
import { transcript } from '../src/transcript';

const noon = new Date(2026, 10, 22, 12).getTime();
const day = 86_400_000;

it('writes Arabic numbers with their right plurals', () => {
  expect([1, 2, 3, 10, 11, 30, 90].map((seconds) => formatWait('ar', seconds))).toEqual([
    'ثانية',
    'ثانيتين',
    '3 ثوانٍ',
    '10 ثوانٍ',
    '11 ثانية',
    '30 ثانية',
    '90 ثانية',
  ]);
  expect([91, 180].map((seconds) => formatWait('ar', seconds))).toEqual(['دقيقتين', '3 دقائق']);
  expect([0, 1, 2].map((seconds) => formatWait('en', seconds))).toEqual(['one second', 'one second', '2 seconds']);
  expect([1, 2, 3, 11, 100].map((count) => formatCount('ar', 'unread', count))).toEqual([
    'رسالة واحدة غير مقروءة',
    'رسالتان غير مقروءتين',
    '3 رسائل غير مقروءة',
    '11 رسالة غير مقروءة',
    '100 رسالة غير مقروءة',
  ]);
});

it('names days as people do, with Western digits and the Gregorian calendar', () => {
  expect(formatDay('ar', noon, noon)).toBe('اليوم');
  expect(formatDay('ar', noon - day, noon)).toBe('أمس');
  expect(formatDay('en', noon - day, noon)).toBe('Yesterday');
  expect(formatDay('ar', noon - 5 * day, noon)).toMatch(/17 نوفمبر$/);
  expect(formatDay('ar', noon - 400 * day, noon)).toMatch(/2025/);
  expect(formatTime('ar', noon)).toMatch(/12:00/);
});

it('has every string in both languages, with the same places for values', () => {
  for (const [key, texts] of Object.entries(table)) {
    expect(texts, key).toHaveLength(2);
    for (const text of texts) expect(text.trim(), key).not.toBe('');
    expect(texts[0].includes('{}'), key).toBe(texts[1].includes('{}'));
    expect(texts[0], key).toMatch(/[\u0600-\u06ff]/);
    expect(texts[1], key).not.toMatch(/[\u0600-\u06ff]/);
  }
});

it('has a form for every plural category', () => {
  for (const forms of Object.values(plurals))
    for (const language of ['ar', 'en'] as const)
      for (const category of new Intl.PluralRules(language).resolvedOptions().pluralCategories)
        if (category !== 'zero') expect(forms[language]).toHaveProperty(category);
});

it('writes a transcript that every editor opens', () => {
  const messages = [
    { number: 1, author: 'customer' as const, text: 'سطر\nآخر', at: noon, buttons: [] },
    { number: 2, author: 'agent' as const, text: '', at: noon, buttons: [], image: { id: 'x', width: 1, height: 1 } },
  ];
  const lines = transcript(messages, 'متجر', 'ar', noon).split('\r\n');
  expect(lines[0]).toBe('\ufeffنص المحادثة – متجر');
  expect(lines[3]).toMatch(/22 نوفمبر 2026.*12:00.* – أنت: سطر$/);
  expect(lines[4]).toBe('آخر');
  expect(lines[5]).toMatch(/ – فريق الدعم: \[صورة\]$/);
});

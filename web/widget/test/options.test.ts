import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { readOptions, toLanguage, webAddress } from '../src/options';

const page = { href: 'https://shop.example/p/1', language: '' };
const read = (data: Record<string, string> = {}, language = '') =>
  readOptions(data, 'https://chat.example/base/widget.js?v=2', { ...page, language });

beforeEach(() => void vi.spyOn(console, 'warn').mockImplementation(() => {}));
afterEach(() => void vi.restoreAllMocks());

it('finds the server beside the script', () => {
  expect(read().server).toBe('https://chat.example/base');
  expect(read({ server: 'https://other.example/x/' }).server).toBe('https://other.example/x');
  expect(readOptions({}, 'https://chat.example/widget.js', page).server).toBe('https://chat.example');
});

it('takes the language of the tag, else of the page, else Arabic', () => {
  expect(read().language).toBe('ar');
  expect(read({}, 'en-GB').language).toBe('en');
  expect(read({}, 'fr').language).toBe('ar');
  expect(read({ language: 'en' }, 'ar').language).toBe('en');
  expect(toLanguage('AR-sa')).toBe('ar');
});

it('has defaults, and keeps them where a value is no good', () => {
  const { position, theme, open, lengths } = read({ position: 'top', theme: 'x', offsetX: '2em', zIndex: 'a' });
  expect({ position, theme, open, lengths }).toEqual({ position: 'end', theme: 'auto', open: false, lengths: {} });
  expect(console.warn).toHaveBeenCalledTimes(4);
});

it('reads lengths, switches and texts', () => {
  const options = read({ offsetX: '12', offsetY: '8px', zIndex: '50', open: '', title: 'T', titleAr: 'ع' });
  expect(options.lengths).toEqual({ '--thiqa_x': '12px', '--thiqa_y': '8px', '--thiqa_z': '50' });
  expect(options.open).toBe(true);
  expect(options.text('title', 'ar')).toBe('ع');
  expect(options.text('title', 'en')).toBe('T');
  expect(options.text('greeting', 'en')).toBe('');
});

it('accepts web addresses only', () => {
  expect(webAddress('/privacy', page.href)).toBe('https://shop.example/privacy');
  expect(webAddress('javascript:alert(1)', page.href)).toBe('');
  expect(webAddress(undefined, page.href)).toBe('');
});

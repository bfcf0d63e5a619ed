import { expect, it } from 'vitest';
import { split } from '../src/text';

const links = (text: string) =>
  split(text)
    .filter(({ href }) => href)
    .map(({ text, href }) => [text, href]);
const runs = (text: string) =>
  split(text)
    .filter(({ ltr, href }) => ltr && !href)
    .map(({ text }) => text);

it.each([
  ['no links here', []],
  ['see https://a.example/x?y=1#z.', [['https://a.example/x?y=1#z', 'https://a.example/x?y=1#z']]],
  ['(http://a.example/b)', [['http://a.example/b', 'http://a.example/b']]],
  ['https://a.example/x_(y)', [['https://a.example/x_(y)', 'https://a.example/x_(y)']]],
  ['التفاصيل: https://a.example/1، والسلام', [['https://a.example/1', 'https://a.example/1']]],
  ['أين؟ https://a.example/1؟', [['https://a.example/1', 'https://a.example/1']]],
  ['help@shop.example.', [['help@shop.example', 'mailto:help@shop.example']]],
  ['mailto:a.b+c@shop.example', [['mailto:a.b+c@shop.example', 'mailto:a.b+c@shop.example']]],
  ['javascript:alert(1)', []],
  ['JavaScript://a.example/%0aalert(1)', []],
  ['data:text/html,<b>x</b>', []],
  ['ftp://a.example vbscript:x file:///etc', []],
  ['https://', []],
  ['"https://a.example"<img>', [['https://a.example', 'https://a.example/']]],
])('finds links in %s', (text, expected) => expect(links(text)).toEqual(expected));

it('ends a link at invisible characters that reorder text', () => {
  expect(links('https://a.example/\u202eexe.x')).toEqual([['https://a.example/', 'https://a.example/']]);
});

it.each([
  ['الهاتف +966 50 123 4567 للتواصل', ['+966 50 123 4567']],
  ['الطلب 1004-A جاهز', ['1004-A']],
  ['رقم التتبّع AX55010004', []],
  ['بتاريخ 2026-11-25 صباحًا', ['2026-11-25']],
  ['خلال 3-5 أيام', []],
  ['Where is my order', []],
])('keeps numbers and codes from scrambling in %s', (text, expected) => expect(runs(text)).toEqual(expected));

it.each(['', 'a\n\nb', 'https://a.example/x, y@z.example (+966 50 123 4567) 1004-A\n<b>'])(
  'loses no character of %j',
  (text) => {
    expect(
      split(text)
        .map(({ text }) => text)
        .join(''),
    ).toBe(text);
  },
);

it('is quick on hostile text', () => {
  const begin = performance.now();
  for (const part of ['1', 'a.', '(1', 'a@', '1 ', 'a-', 'http://(', 'a_', 'x)'])
    split(part.repeat(4000 / part.length));
  expect(performance.now() - begin).toBeLessThan(1000);
});

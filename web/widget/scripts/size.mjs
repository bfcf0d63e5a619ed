// The budget is part of the build: a widget that slows a shop down is not used.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const LIMIT = 30 * 1024;
const file = new URL('../dist/widget.js', import.meta.url);
const source = readFileSync(file);
const size = gzipSync(source, { level: 9 }).length;
console.log(`dist/widget.js: ${source.length} bytes, ${size} gzipped, limit ${LIMIT}`);
if (size > LIMIT) {
  console.error(`dist/widget.js is ${size - LIMIT} bytes too large.`);
  process.exit(1);
}

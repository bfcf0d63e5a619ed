import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createConnection, type Connection, type Phase } from '../src/connection';

let http: HttpServer;
let io: Server;
let connection: Connection;
let phases: Phase[];

beforeEach(async () => {
  vi.stubGlobal('WebSocket', WebSocket);
  phases = [];
  http = createServer();
  io = new Server(http);
  io.on('connection', (client) => {
    client.on('session_request', (_, answer) => answer({ ok: true }));
    client.on('silence', () => {});
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  connection = createConnection({
    server: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    sessionRequest: () => ({ session_id: 'token', after: 0, protocol: 1, language: 'en' }),
    keep: () => {},
    session: async () => true,
    event: () => {},
    phase: (phase) => phases.push(phase),
  });
});

afterEach(async () => {
  connection.stop();
  await io.close();
  vi.unstubAllGlobals();
});

it('is offline as soon as the device says so, and back by itself where that was not so', async () => {
  connection.start();
  await connection.whenReady();
  const call = connection.call('silence', {});
  connection.offline();
  expect(phases).toEqual(['connecting', 'online', 'offline']);
  expect(connection.ready()).toBe(false);
  expect(await call).toMatchObject({ ok: false, code: 'offline' });
  await connection.whenReady();
  expect(phases.at(-1)).toBe('online');
});

it('does not wait once the device is back on the net', async () => {
  connection.start();
  await connection.whenReady();
  vi.spyOn(Math, 'random').mockReturnValue(1);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    connection.offline();
    connection.wake();
    await connection.whenReady();
  } finally {
    vi.useRealTimers();
    vi.restoreAllMocks();
  }
  expect(phases.at(-1)).toBe('online');
});

it('says nothing of a chat that nobody has opened', () => {
  connection.offline();
  expect(phases).toEqual([]);
});

import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket as NodeWebSocket } from 'ws';
import { createSocket, type Socket } from '../src/socket';

/** In Node an error that nobody hears ends the process; browsers only report it. */
class WebSocket extends NodeWebSocket {
  constructor(url: string) {
    super(url);
    this.onerror = () => {};
  }
}

class NoWebSocket {
  constructor() {
    throw new Error('blocked');
  }
}

/** Against the official server, over both transports. */
describe.each(['websocket', 'polling'])('over %s', (transport) => {
  let http: HttpServer;
  let io: Server;
  let socket: Socket;
  const on = { connected: vi.fn(), lost: vi.fn(), event: vi.fn() };

  beforeEach(async () => {
    vi.clearAllMocks();
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    vi.stubGlobal('WebSocket', transport === 'websocket' ? WebSocket : NoWebSocket);
    http = createServer();
    io = new Server(http, { path: '/base/socket.io', pingInterval: 200, pingTimeout: 200 });
    io.on('connection', (client) => {
      client.on('echo', (payload, answer) => answer({ payload, transport: client.conn.transport.name }));
      client.on('silence', () => {});
      client.on('tell', (payload) => {
        for (let i = 0; i < 5; i++) client.emit('told', { i, payload });
      });
      client.on('leave', () => client.disconnect());
      client.on('break', () => client.conn.close());
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    socket = createSocket(`http://127.0.0.1:${(http.address() as AddressInfo).port}/base`, on);
    socket.connect();
    await vi.waitFor(() => expect(on.connected).toHaveBeenCalledOnce());
  });

  afterEach(async () => {
    socket.close();
    await io.close();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });

  it('calls and gets answers', async () => {
    const text = 'سلام\n"quoted" \u2028 😀';
    const answers = await Promise.all([1, 2, 3].map((n) => socket.call('echo', { n, text }, 1000)));
    expect(answers).toEqual([1, 2, 3].map((n) => ({ payload: { n, text }, transport })));
  });

  it('rejects a call that gets no answer', async () => {
    await expect(socket.call('silence', {}, 50)).rejects.toBeUndefined();
  });

  it('hears events in order', async () => {
    socket.call('tell', 'x', 50).catch(() => {});
    await vi.waitFor(() => expect(on.event).toHaveBeenCalledTimes(5));
    expect(on.event.mock.calls.map(([, { i }]) => i)).toEqual([0, 1, 2, 3, 4]);
  });

  it('answers pings and stays', async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(on.lost).not.toHaveBeenCalled();
    expect(await socket.call('echo', 1, 1000)).toMatchObject({ payload: 1 });
  });

  it.each(['leave', 'break'])('notices that the server goes: %s', async (how) => {
    const call = socket.call(how, {}, 5000);
    await expect(call).rejects.toBeUndefined();
    await vi.waitFor(() => expect(on.lost).toHaveBeenCalledOnce());
    expect(socket.connected()).toBe(false);
    socket.connect();
    await vi.waitFor(() => expect(on.connected).toHaveBeenCalledTimes(2));
  });

  it('closes without an event', async () => {
    socket.close();
    await vi.waitFor(() => expect(io.engine.clientsCount).toBe(0));
    expect(on.lost).not.toHaveBeenCalled();
  });
});

it('tells that there is no server', async () => {
  vi.stubGlobal('WebSocket', WebSocket);
  const on = { connected: vi.fn(), lost: vi.fn(), event: vi.fn() };
  createSocket('http://127.0.0.1:1', on).connect();
  await vi.waitFor(() => expect(on.lost).toHaveBeenCalledOnce(), 3000);
  vi.unstubAllGlobals();
});

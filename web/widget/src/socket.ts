/**
 * The client side of Socket.IO (protocol 5, on Engine.IO 4) as far as the web chat needs it: one namespace, text, and
 * acknowledgements. The official client is a third of what this widget may weigh. A WebSocket is tried first and
 * HTTP long-polling where that fails; there is no later upgrade.
 */
export interface Socket {
  connected(): boolean;
  /** Begins a new attempt; what was there before is closed, without an event. */
  connect(): void;
  /** The answer to an event; rejects when there is none in time, or the connection goes. */
  call(event: string, payload: unknown, timeout: number): Promise<unknown>;
  close(): void;
}

interface Handlers {
  connected(): void;
  /** The connection, or the attempt at one, ended by itself. */
  lost(): void;
  event(name: string, payload: unknown): void;
}

interface Transport {
  send(packet: string): void;
  close(): void;
}

type Open = (url: string, receive: (packet: string) => void, failed: () => void) => Transport;

const SEPARATOR = '\x1e';
/** A network that swallows WebSockets gives no error, so silence counts as one. */
const WEBSOCKET_PATIENCE = 4000;
const PATIENCE = 10_000;

const webSocket: Open = (url, receive, failed) => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}&transport=websocket`);
  socket.onmessage = ({ data }) => receive(String(data));
  socket.onclose = failed;
  return {
    send: (packet) => socket.send(packet),
    close() {
      socket.onclose = socket.onmessage = null;
      socket.close();
    },
  };
};

const polling: Open = (url, receive, failed) => {
  const abort = new AbortController();
  let sid = '';
  let count = 0;
  let queue: string[] = [];
  let posting = false;

  async function request(body?: string, signal?: AbortSignal): Promise<string> {
    const address = `${url}&transport=polling&t=${Date.now().toString(36)}${count++}${sid && '&sid=' + sid}`;
    const response = await fetch(address, { method: body ? 'POST' : 'GET', body, signal });
    if (!response.ok) throw response.status;
    return response.text();
  }

  async function poll() {
    while (!abort.signal.aborted) {
      for (const packet of (await request(undefined, abort.signal)).split(SEPARATOR)) {
        if (packet[0] === '0') sid = JSON.parse(packet.slice(1)).sid;
        receive(packet);
      }
    }
  }

  async function flush() {
    if (posting) return;
    posting = true;
    while (queue.length && !abort.signal.aborted) await request(queue.splice(0).join(SEPARATOR), abort.signal);
    posting = false;
  }

  const guard = (work: Promise<void>) => work.catch(() => abort.signal.aborted || failed());
  void guard(poll());
  return {
    send(packet) {
      queue.push(packet);
      void guard(flush());
    },
    close() {
      abort.abort();
      if (sid) request('1').catch(() => {});
    },
  };
};

export function createSocket(server: string, on: Handlers): Socket {
  const url = `${server}/socket.io/?EIO=4`;
  const acks = new Map<number, (answer: unknown) => void>();
  let transport: Transport | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let connected = false;
  let lastId = 0;
  let pollingFirst = false;

  function expectSignOfLife(within: number, otherwise: () => void) {
    clearTimeout(timer);
    timer = setTimeout(otherwise, within);
  }

  function close() {
    clearTimeout(timer);
    connected = false;
    transport?.close();
    transport = undefined;
    acks.forEach((answer) => answer(undefined));
    acks.clear();
  }

  function lost() {
    close();
    on.lost();
  }

  function attempt(open: Open, patience: number, failed: () => void) {
    let silence = 0;
    const receive = (packet: string) => {
      if (packet[0] === '0') {
        const { pingInterval, pingTimeout } = JSON.parse(packet.slice(1));
        silence = pingInterval + pingTimeout;
        failed = lost;
        transport!.send('40');
      } else if (packet[0] === '2') {
        transport!.send('3' + packet.slice(1));
      } else if (packet[0] === '4') {
        try {
          take(packet[1]!, packet.slice(2));
        } catch (error) {
          console.warn('Thiqa: ignored', packet, error);
        }
      } else if (packet[0] === '1') {
        return lost();
      }
      if (transport && silence) expectSignOfLife(silence, lost);
    };
    expectSignOfLife(patience, () => failed());
    try {
      transport = open(url, receive, () => failed());
    } catch {
      setTimeout(() => failed());
    }
  }

  function take(type: string, body: string) {
    const [, id, json] = /^(\d*)(.*)/s.exec(body)!;
    if (type === '0') {
      connected = true;
      on.connected();
    } else if (type === '2') {
      const [name, payload] = JSON.parse(json!);
      on.event(name, payload);
    } else if (type === '3') {
      acks.get(Number(id))?.(JSON.parse(json!)[0]);
    } else {
      lost();
    }
  }

  function connect() {
    close();
    const poll = () => {
      close();
      pollingFirst = true;
      attempt(polling, PATIENCE, () => {
        pollingFirst = false;
        lost();
      });
    };
    if (pollingFirst) poll();
    else attempt(webSocket, WEBSOCKET_PATIENCE, poll);
  }

  return {
    connected: () => connected,
    connect,
    close,
    call: (event, payload, timeout) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        const settle = (answer: unknown) => {
          clearTimeout(late);
          acks.delete(id);
          if (answer) resolve(answer);
          else reject();
        };
        const late = setTimeout(settle, timeout);
        acks.set(id, settle);
        // Old scripts give every array a toJSON of their own.
        transport!.send(`42${id}[${JSON.stringify(event)},${JSON.stringify(payload)}]`);
      }),
  };
}

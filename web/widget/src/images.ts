import type { Image } from './protocol';

export const ACCEPTED = 'image/jpeg,image/png,image/webp';

/** `code` is the server's, see docs/webchat-protocol.md. */
export class UploadError extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

export interface Images {
  upload(file: Blob): Promise<Image>;
  load(id: string): Promise<Blob>;
  /** Images of another visitor are forgotten. */
  clear(): void;
}

/** Images need the session token in a header, so an <img> cannot load them; strict pages forbid blob: ones besides. */
export function createImages(server: string, token: () => string, renewSession: () => Promise<void>): Images {
  const cache = new Map<string, Promise<Blob>>();

  async function request(path: string, body?: Blob): Promise<Response> {
    for (let tries = 0; ; tries++) {
      const response = await fetch(`${server}/webchat/images${path}`, {
        method: body ? 'POST' : 'GET',
        headers: { Authorization: `Bearer ${token()}` },
        credentials: 'omit',
        body,
      });
      if (response.ok) return response;
      if (response.status !== 401 || tries) {
        const { error } = await response.json().catch(() => ({}));
        throw new UploadError(String(error));
      }
      await renewSession();
    }
  }

  return {
    async upload(file) {
      const { id, width, height } = await (await request('', file)).json();
      if (typeof id !== 'string' || !(width > 0 && height > 0)) throw new UploadError('');
      cache.set(id, Promise.resolve(file));
      return { id, width, height };
    },
    load(id) {
      const blob = cache.get(id) ?? request('/' + encodeURIComponent(id)).then((response) => response.blob());
      cache.set(id, blob);
      blob.catch(() => cache.delete(id));
      return blob;
    },
    clear: () => cache.clear(),
  };
}

/** Draws the image at most `width` CSS pixels wide, sharp on the screen at hand. */
export async function draw(canvas: HTMLCanvasElement, blob: Blob, width: number): Promise<void> {
  const bitmap = await createImageBitmap(blob);
  const scale = Math.min(1, (width * devicePixelRatio) / bitmap.width);
  canvas.width = Math.max(1, bitmap.width * scale);
  canvas.height = Math.max(1, bitmap.height * scale);
  canvas.getContext('2d')!.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
}

export function save(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

import type { Image } from './protocol';
import { RequestError, type Request } from './request';

export const ACCEPTED = 'image/jpeg,image/png,image/webp';

export interface Images {
  upload(file: Blob): Promise<Image>;
  /** An image, or any other file of the conversation. */
  load(id: string): Promise<Blob>;
  /** Images of another visitor are forgotten. */
  clear(): void;
}

/** Images need the session token in a header, so an <img> cannot load them; strict pages forbid blob: ones besides. */
export function createImages(request: Request): Images {
  const cache = new Map<string, Promise<Blob>>();

  return {
    async upload(file) {
      const { id, width, height } = await (await request('images', { body: file })).json();
      if (typeof id !== 'string' || !(width > 0 && height > 0)) throw new RequestError('');
      cache.set(id, Promise.resolve(file));
      return { id, width, height };
    },
    load(id) {
      const blob = cache.get(id) ?? request('files/' + encodeURIComponent(id)).then((response) => response.blob());
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

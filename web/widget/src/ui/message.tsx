import { useEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from '../chat';
import type { Delivery } from '../conversation';
import { formatTime } from '../format';
import { draw, save } from '../images';
import type { Document, Image, Message } from '../protocol';
import type { Language } from '../strings';
import { Text } from '../text';
import { focusInput, memo } from './common';
import { Icon } from './icons';

const STATUS_ICON = { sending: 'clock', sent: 'check', delivered: 'checks', seen: 'checks', failed: 'alert' } as const;
const THUMBNAIL = 220;

interface BubbleProps {
  chat: Chat;
  language: Language;
  message: Message;
  /** How far a message of the customer has come. */
  own?: Delivery;
  failed?: string;
  first: boolean;
  last: boolean;
  /** Whether to show `own`. */
  status: boolean;
  /** Whether its buttons can be pressed. */
  buttons: boolean;
}

export const Bubble = memo(function Bubble({
  chat,
  language,
  message,
  own,
  failed,
  first,
  last,
  status,
  buttons,
}: BubbleProps) {
  const { say } = chat;
  const { author, text, image, document, number, at, clientId, channel } = message;
  const [copied, setCopied] = useState(false);

  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // In a frame, or by the visitor's own settings, it may be refused.
      return chat.notify({ key: 'copyFailed' });
    }
    setCopied(true);
    chat.announce(say('copied'));
    setTimeout(() => setCopied(false), 1500);
  }

  const leave = (action: () => void) => (event: Event) => {
    focusInput(event.currentTarget as Element);
    action();
  };

  return (
    <div
      class={`message ${author}${first ? ' first' : ''}${last ? ' last' : ''}`}
      data-part="message"
      data-number={number || undefined}
      data-author={author}
      data-state={own}
      data-channel={channel}
    >
      <span class={first && author === 'agent' ? 'author' : 'hidden'}>
        {say(author)} {channel && say('via')}
      </span>
      <div class="line">
        <div class={`bubble${image ? ' with-image' : ''}`}>
          {image && <Thumbnail chat={chat} image={image} />}
          {document && <Download chat={chat} document={document} />}
          {text && <Text text={text} />}
        </div>
        {text && navigator.clipboard && (
          <button class="small copy" data-part="copy" aria-label={say(copied ? 'copied' : 'copy')} onClick={copy}>
            <Icon name={copied ? 'check' : 'copy'} />
          </button>
        )}
      </div>
      {(last || status) && (
        <div class={`meta ${status ? own : ''}`}>
          <time dateTime={new Date(at).toISOString()}>{formatTime(language, at)}</time>
          {channel && (
            <span class="via" data-part="via" aria-hidden="true">
              {say('via')}
            </span>
          )}
          {status && own && (
            <>
              <Icon name={STATUS_ICON[own]} />
              <span class={own === 'failed' ? '' : 'hidden'}>
                {say(failed === 'invalid' ? 'invalid' : failed === 'image' ? 'imageGone' : own)}
              </span>
            </>
          )}
          {failed && (
            <>
              {failed === 'later' && (
                <button class="link" data-part="retry" onClick={leave(() => chat.retry(clientId!))}>
                  {say('retry')}
                </button>
              )}
              <button class="link" data-part="delete" onClick={leave(() => chat.discard(clientId!))}>
                {say('remove')}
              </button>
            </>
          )}
        </div>
      )}
      {buttons && message.buttons.length > 0 && (
        <div class="buttons" data-part="buttons">
          {message.buttons.map((button) => (
            <button class="pill" data-part="button" dir="auto" onClick={leave(() => chat.press(message, button))}>
              {button.title}
            </button>
          ))}
        </div>
      )}
    </div>
  );
});

/** A file of ours. It needs the session token in a header, so no plain link could load it. */
function Download({ chat, document: { id, name } }: { chat: Chat; document: Document }) {
  const [busy, setBusy] = useState(false);
  async function download() {
    setBusy(true);
    await chat.images.load(id).then(
      (blob) => save(blob, name),
      () => chat.notify({ key: 'documentFailed' }),
    );
    setBusy(false);
  }
  return (
    <button class="document" data-part="document" aria-busy={busy} disabled={busy} onClick={download}>
      <Icon name="download" />
      <span class="hidden">{chat.say('download')} </span>
      <bdi>{name}</bdi>
    </button>
  );
}

function Thumbnail({ chat, image }: { chat: Chat; image: Image }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [failed, setFailed] = useState(false);
  const width = Math.min(THUMBNAIL, image.width, (280 * image.width) / image.height);

  useEffect(() => {
    const target = canvas.current!;
    // Room is kept from the known size, so nothing jumps when the image comes.
    target.style.aspectRatio = `${image.width}/${image.height}`;
    target.style.width = `${Math.max(48, width)}px`;
    const seen = new IntersectionObserver(([entry]) => {
      if (!entry!.isIntersecting) return;
      seen.disconnect();
      chat.images
        .load(image.id)
        .then((blob) => draw(target, blob, width))
        .catch(() => setFailed(true));
    });
    seen.observe(target);
    return () => seen.disconnect();
  }, [image.id]);

  return (
    <button class="thumbnail" data-part="image" aria-label={chat.say('viewImage')} onClick={() => chat.show(image)}>
      <canvas ref={canvas} role="img" aria-label={chat.say('image')} />
      {failed && <span>{chat.say('imageFailed')}</span>}
    </button>
  );
}

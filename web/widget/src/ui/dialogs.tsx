import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { serverTime } from '../clock';
import { formatCount, formatWait } from '../format';
import { draw, save } from '../images';
import type { Image } from '../protocol';
import { RequestError } from '../request';
import type { Props } from './common';
import { Icon } from './icons';

export function Dialogs({ chat, state }: Props) {
  const { dialog } = state;
  if (!dialog) return null;
  if (dialog === 'end') return <End chat={chat} state={state} />;
  if (dialog === 'rate') return <Rate chat={chat} state={state} />;
  if (dialog === 'telegram') return <Telegram chat={chat} state={state} />;
  return <Viewer chat={chat} state={state} image={dialog} />;
}

interface DialogProps {
  chat: Props['chat'];
  part: string;
  label: string;
  children: ComponentChildren;
}

/** The browser's own modal dialog: it keeps the focus in, closes on Escape, and makes everything else inert. */
function Dialog({ chat, part, label, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current!;
    const before = (element.getRootNode() as ShadowRoot).activeElement as HTMLElement | null;
    element.showModal();
    return () => {
      element.close();
      before?.focus();
    };
  }, []);
  const close = () => chat.show(undefined);
  return (
    <dialog
      ref={dialog}
      class={part === 'viewer' ? part : 'ask'}
      data-part={part}
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => event.target === dialog.current && close()}
    >
      {children}
    </dialog>
  );
}

function End({ chat }: Props) {
  const { say } = chat;
  return (
    <Dialog chat={chat} part="end" label={say('endTitle')}>
      <div class="sheet">
        <h2>{say('endTitle')}</h2>
        <p>{say('endText')}</p>
        <div class="actions">
          <button class="secondary" onClick={() => chat.show(undefined)}>
            {say('cancel')}
          </button>
          <button class="primary" data-part="end-confirm" onClick={chat.end}>
            {say('endYes')}
          </button>
        </div>
      </div>
    </Dialog>
  );
}

function Rate({ chat }: Props) {
  const { say } = chat;
  const [score, setScore] = useState(0);
  const [comment, setComment] = useState('');
  const [done, setDone] = useState(false);
  function submit() {
    if (!score) return;
    chat.rate(score, comment.trim());
    chat.announce(say('thanks'));
    setDone(true);
  }
  return (
    <Dialog chat={chat} part="rating" label={say('rateTitle')}>
      {done ? (
        <div class="sheet">
          <p class="thanks">💚 {say('thanks')}</p>
          <div class="actions">
            <button class="primary" ref={(button) => button?.focus()} onClick={() => chat.show(undefined)}>
              {say('close')}
            </button>
          </div>
        </div>
      ) : (
        <div class="sheet">
          <fieldset
            onKeyDown={(event) => {
              if (event.key !== 'Enter') return;
              // Or it would press the button that has the focus next.
              event.preventDefault();
              submit();
            }}
          >
            <legend>{say('rateTitle')}</legend>
            {[1, 2, 3, 4, 5].map((value) => (
              <label class={`star${value <= score ? ' on' : ''}`}>
                <input
                  type="radio"
                  name="score"
                  class="hidden"
                  data-part="star"
                  aria-label={say('star', value)}
                  checked={value === score}
                  onChange={() => setScore(value)}
                />
                <Icon name="star" />
              </label>
            ))}
          </fieldset>
          <textarea
            class="comment"
            data-part="comment"
            dir={comment ? 'auto' : undefined}
            rows={2}
            maxLength={1000}
            aria-label={say('comment')}
            placeholder={say('comment')}
            value={comment}
            onInput={(event) => setComment(event.currentTarget.value)}
          />
          <div class="actions">
            <button type="button" class="secondary" onClick={() => chat.show(undefined)}>
              {say('skip')}
            </button>
            <button type="button" class="primary" data-part="rate-send" disabled={!score} onClick={submit}>
              {say('rateSend')}
            </button>
          </div>
        </div>
      )}
    </Dialog>
  );
}

/** A link that the visitor follows themselves: no browser takes that for an unwanted window. */
function Telegram({ chat, state: { language } }: Props) {
  const { say } = chat;
  const [link, setLink] = useState<{ url: string; expires?: number }>();
  const [failure, setFailure] = useState<RequestError | true>();
  const go = useRef<HTMLAnchorElement>(null);

  function ask() {
    setLink(undefined);
    setFailure(undefined);
    chat.telegramLink().then(setLink, (error) => setFailure(error instanceof RequestError ? error : true));
  }
  useEffect(ask, []);
  useEffect(() => go.current?.focus(), [link]);

  const wait = failure && failure !== true && failure.retryAfter;
  const told = failure
    ? wait
      ? say('telegramWait', formatWait(language, wait))
      : say('telegramFailed')
    : !link
      ? say('telegramLoading')
      : link.expires
        ? say('telegramLinked', formatCount(language, 'minutes', Math.round((link.expires - serverTime()) / 60_000)))
        : say('telegramNew');

  return (
    <Dialog chat={chat} part="telegram" label={say('telegram')}>
      <div class="sheet">
        <h2>{say('telegram')}</h2>
        <p role="status">{told}</p>
        <div class="actions">
          <button class="secondary" onClick={() => chat.show(undefined)}>
            {say('cancel')}
          </button>
          {failure && (
            <button class="primary" data-part="telegram-retry" onClick={ask}>
              {say('retry')}
            </button>
          )}
          {link && (
            <a
              ref={go}
              class="primary"
              data-part="telegram-open"
              href={link.url}
              target="_blank"
              rel="noopener noreferrer"
              onClick={(event) => {
                if (link.expires && link.expires <= serverTime()) {
                  event.preventDefault();
                  ask();
                } else chat.show(undefined);
              }}
            >
              {say('telegramOpen')}
            </a>
          )}
        </div>
      </div>
    </Dialog>
  );
}

function Viewer({ chat, image }: Props & { image: Image }) {
  const { say } = chat;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [blob, setBlob] = useState<Blob>();
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    canvas.current!.style.aspectRatio = `${image.width}/${image.height}`;
    chat.images
      .load(image.id)
      .then(async (loaded) => {
        await draw(canvas.current!, loaded, image.width);
        setBlob(loaded);
      })
      .catch(() => setFailed(true));
  }, []);
  return (
    <Dialog chat={chat} part="viewer" label={say('viewImage')}>
      <div class="viewer-bar">
        <button class="round" aria-label={say('close')} onClick={() => chat.show(undefined)}>
          <Icon name="close" />
        </button>
        {blob && (
          <button
            class="round"
            data-part="download"
            aria-label={say('download')}
            onClick={() => save(blob, `image.${blob.type.split('/')[1]}`)}
          >
            <Icon name="download" />
          </button>
        )}
      </div>
      {failed && <p>{say('imageFailed')}</p>}
      <canvas ref={canvas} role="img" aria-label={say('image')} />
    </Dialog>
  );
}

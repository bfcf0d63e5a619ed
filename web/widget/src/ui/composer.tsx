import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ACCEPTED, draw } from '../images';
import { focusInput, moveByArrows, touch, type Props } from './common';
import { Icon } from './icons';

const EMOJI = '😀 😂 😊 😍 🥰 😘 😎 🤩 🙂 😉 🤔 😅 😢 😭 😡 😮 👍 👎 👏 🙏 🤝 💪 👋 ❤️ 💚 🌹 🎉 ⭐ 🔥 ✅ 📦 🚚'.split(
  ' ',
);
const COLUMNS = 8;

export function Composer({ chat, state }: Props) {
  const { say, storage } = chat;
  const { attachment, textLimit, language } = state;
  const [draft, setDraft] = useState(() => storage.text('draft'));
  const [emoji, setEmoji] = useState(false);
  const input = useRef<HTMLTextAreaElement>(null);
  const caret = useRef<number>();
  const file = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLDivElement>(null);

  const length = [...draft.trim()].length;
  const uploading = attachment && !attachment.image;
  const blocked = length > textLimit || !!uploading || !(length || attachment);

  function write(text: string) {
    setDraft(text);
    storage.set('draft', text || undefined);
    chat.typing(!!text.trim());
  }

  useLayoutEffect(() => {
    const { style, scrollHeight } = (() => {
      input.current!.style.height = 'auto';
      return input.current!;
    })();
    style.height = `${scrollHeight}px`;
    if (caret.current !== undefined) input.current!.setSelectionRange(caret.current, caret.current);
    caret.current = undefined;
  }, [draft]);

  useEffect(() => {
    if (!emoji) return;
    box.current!.querySelector<HTMLElement>('.emoji-grid button')!.focus();
  }, [emoji]);

  function send(event?: Event) {
    event?.preventDefault();
    if (length > textLimit) return chat.notify({ key: 'tooLong', value: textLimit });
    if (blocked) return;
    chat.send(draft.trim());
    write('');
    setEmoji(false);
    input.current!.focus();
  }

  function insert(symbol: string) {
    const { selectionStart, selectionEnd } = input.current!;
    const text = input.current!.value;
    caret.current = selectionStart + symbol.length;
    write(text.slice(0, selectionStart) + symbol + text.slice(selectionEnd));
  }

  function closeEmoji() {
    setEmoji(false);
    input.current!.focus();
  }

  function onPaste(event: ClipboardEvent) {
    const pasted = event.clipboardData?.files[0];
    if (!pasted) return;
    event.preventDefault();
    void chat.attach(pasted);
  }

  // No form: a page in a sandbox may not submit any.
  return (
    <div
      class="composer"
      data-part="composer"
      ref={box}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !emoji) return;
        event.stopPropagation();
        closeEmoji();
      }}
    >
      {attachment && <Preview chat={chat} state={state} />}
      {emoji && (
        <div
          class="emoji-grid"
          data-part="emoji-grid"
          role="group"
          aria-label={say('emoji')}
          onKeyDown={(event) => moveByArrows(event, COLUMNS, language === 'ar')}
        >
          {EMOJI.map((symbol, i) => (
            <button type="button" tabIndex={i ? -1 : 0} onClick={() => insert(symbol)}>
              {symbol}
            </button>
          ))}
        </div>
      )}
      <div class="field">
        <textarea
          ref={input}
          data-part="input"
          rows={1}
          dir={draft ? 'auto' : undefined}
          enterkeyhint="send"
          aria-label={say('placeholder')}
          placeholder={say('placeholder')}
          value={draft}
          aria-invalid={length > textLimit}
          onInput={(event) => write(event.currentTarget.value)}
          onPaste={onPaste}
          onBlur={() => chat.typing(false)}
          onKeyDown={(event) => {
            // 229: the key belongs to an input method, also where isComposing is not told.
            if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) send(event);
          }}
        />
        <div class="tools">
          <button
            type="button"
            class="round"
            data-part="emoji"
            aria-label={say('emoji')}
            aria-expanded={emoji}
            onClick={() => (emoji ? closeEmoji() : setEmoji(true))}
          >
            <Icon name="emoji" />
          </button>
          <button
            type="button"
            class="round"
            data-part="attach"
            aria-label={say('attach')}
            onClick={() => file.current!.click()}
          >
            <Icon name="image" />
          </button>
          <input
            ref={file}
            class="file"
            data-part="file"
            type="file"
            accept={ACCEPTED}
            tabIndex={-1}
            aria-hidden="true"
            onChange={(event) => {
              const { files } = event.currentTarget;
              if (files?.[0]) void chat.attach(files[0]);
              event.currentTarget.value = '';
              if (!touch()) input.current!.focus();
            }}
          />
          {length > textLimit - 300 && (
            <span class={`counter${length > textLimit ? ' over' : ''}`} dir="ltr">
              {length} / {textLimit}
            </span>
          )}
          <button
            type="button"
            class="send"
            data-part="send"
            aria-label={say('send')}
            aria-disabled={blocked}
            onClick={send}
          >
            <Icon name="send" />
          </button>
        </div>
      </div>
    </div>
  );
}

function Preview({ chat, state }: Props) {
  const { file, image } = state.attachment!;
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    draw(canvas.current!, file, 56).catch(() => {});
  }, [file]);
  const status = chat.say(image ? 'ready' : 'uploading');
  return (
    <div class={`preview${image ? '' : ' uploading'}`} data-part="preview">
      <canvas ref={canvas} role="img" aria-label={chat.say('image')} />
      <span role="status">{status}</span>
      <button
        type="button"
        class="small"
        aria-label={chat.say('removeImage')}
        onClick={(event) => {
          focusInput(event.currentTarget);
          void chat.attach(undefined);
        }}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}

import { Component, createElement, type FunctionComponent } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Chat, State } from '../chat';

export interface Props {
  chat: Chat;
  state: State;
}

export function useMedia(query: string): boolean {
  const list = matchMedia(query);
  const [matches, setMatches] = useState(list.matches);
  useEffect(() => {
    const update = () => setMatches(list.matches);
    list.addEventListener('change', update);
    return () => list.removeEventListener('change', update);
  }, [query]);
  return matches;
}

/** Draws a component again only when one of its properties is another one. */
export const memo = <P extends object>(inner: FunctionComponent<P>) =>
  class extends Component<P> {
    override shouldComponentUpdate(next: P) {
      return (Object.keys(next) as (keyof P)[]).some((name) => next[name] !== this.props[name]);
    }

    render() {
      return createElement(inner, this.props);
    }
  };

/** With a finger, focus in the text field would bring the keyboard up over half of the screen. */
export const touch = (): boolean => matchMedia('(pointer: coarse)').matches;

/** What had the focus goes away: it moves on to the text field, or with a finger to the panel. */
export function focusInput(from: Element): void {
  const root = from.getRootNode() as ShadowRoot;
  root.querySelector<HTMLElement>(touch() ? '.panel' : '.field textarea')?.focus({ preventScroll: true });
}

const FOCUSABLE = 'button:not([disabled]),a[href],textarea,input,[tabindex="0"]';

export const focusable = (root: Element): HTMLElement[] =>
  [...root.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((element) => element.offsetParent && element.tabIndex >= 0);

export const active = (element: Element): Element | null => (element.getRootNode() as ShadowRoot).activeElement;

/** Arrow keys, Home and End move among the buttons of a menu or grid with so many `columns`. */
export function moveByArrows(event: KeyboardEvent, columns: number, rtl: boolean): void {
  const box = event.currentTarget as HTMLElement;
  const buttons = [...box.querySelectorAll<HTMLElement>('button,a')];
  const at = buttons.indexOf(active(box) as HTMLElement);
  const side = columns > 1 ? (rtl ? -1 : 1) : 0;
  const { length } = buttons;
  const next = {
    ArrowDown: at + columns,
    ArrowUp: at < 0 ? length - 1 : at - columns,
    ArrowRight: at + side,
    ArrowLeft: at - side,
    Home: 0,
    End: length - 1,
  }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  buttons[(next + length) % length]?.focus();
}

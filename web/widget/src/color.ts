export type Rgb = [number, number, number];

/** Any CSS colour as the browser understands it; `undefined` for what is none. */
export function parseColor(value: string): Rgb | undefined {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  if (!context || !CSS.supports('color', value)) return undefined;
  context.fillStyle = value;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return [red!, green!, blue!];
}

function luminance(color: Rgb): number {
  const [red, green, blue] = color.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

/** The contrast ratio of WCAG 2, from 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light! + 0.05) / (dark! + 0.05);
}

const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];

export const css = (color: Rgb): string => `rgb(${color.map(Math.round).join(' ')})`;

/** Black or white, whichever reads better on `color`; one of them always has a ratio of 4.5. */
export const textOn = (color: Rgb): Rgb =>
  contrast(color, WHITE) >= 4.5 ? WHITE : contrast(color, BLACK) >= 4.5 ? BLACK : WHITE;

/** `color` moved towards black or white until it is readable as text on `background`. */
export function readableOn(color: Rgb, background: Rgb): Rgb {
  const goal = textOn(background);
  let result = color;
  for (let step = 1; contrast(result, background) < 4.6 && step <= 20; step++)
    result = color.map((channel, i) => channel + (goal[i]! - channel) * (step / 20)) as Rgb;
  return result;
}

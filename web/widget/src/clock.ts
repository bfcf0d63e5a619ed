/** The device's clock may be wrong by a day, so every time shown is told by the server's. */
let offset = 0;

export const setServerTime = (now: number): void => {
  offset = now - Date.now();
};

export const serverTime = (): number => Date.now() + offset;

/**
 * The geometry of a square crop. The frame is `side` wide; `zoom` 1 is the smallest at
 * which the picture covers it; `x`, `y` is the picture's centre seen from the frame's.
 */
export interface Framing {
  zoom: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export const MAX_ZOOM = 5;
export const CENTRED: Framing = { zoom: 1, x: 0, y: 0 };

/** Screen pixels for one of the picture's. */
export function scale(picture: Size, side: number, zoom: number): number {
  return (side / Math.min(picture.width, picture.height)) * zoom;
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** The nearest framing that leaves no empty corner. */
export function within(framing: Framing, picture: Size, side: number): Framing {
  const zoom = clamp(framing.zoom, 1, MAX_ZOOM);
  const factor = scale(picture, side, zoom);
  const roomX = (picture.width * factor - side) / 2;
  const roomY = (picture.height * factor - side) / 2;
  return { zoom, x: clamp(framing.x, -roomX, roomX), y: clamp(framing.y, -roomY, roomY) };
}

/** Zooms so that what lies under (`atX`, `atY`), seen from the frame's centre, stays there. */
export function zoomAt(framing: Framing, zoom: number, atX = 0, atY = 0): Framing {
  const next = clamp(zoom, 1, MAX_ZOOM);
  const ratio = next / framing.zoom;
  return { zoom: next, x: atX + (framing.x - atX) * ratio, y: atY + (framing.y - atY) * ratio };
}

/** The square of the picture that the frame shows, in the picture's pixels. */
export function cut(framing: Framing, picture: Size, side: number): { x: number; y: number; side: number } {
  const factor = scale(picture, side, framing.zoom);
  const size = side / factor;
  return {
    x: (picture.width - size) / 2 - framing.x / factor,
    y: (picture.height - size) / 2 - framing.y / factor,
    side: size,
  };
}

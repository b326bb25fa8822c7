import { describe, expect, it } from 'vitest';
import { CENTRED, cut, MAX_ZOOM, within, zoomAt } from './crop';

const wide = { width: 400, height: 200 };
const SIDE = 100;

describe('the crop', () => {
  it('begins with the middle of the picture, as large as fits', () => {
    expect(cut(CENTRED, wide, SIDE)).toEqual({ x: 100, y: 0, side: 200 });
  });

  it('follows the picture to its edge and no further', () => {
    const right = within({ zoom: 1, x: -1000, y: 50 }, wide, SIDE);
    expect(right).toEqual({ zoom: 1, x: -50, y: 0 });
    expect(cut(right, wide, SIDE)).toEqual({ x: 200, y: 0, side: 200 });
  });

  it('zooms between the whole and five times', () => {
    expect(within({ zoom: 0.2, x: 0, y: 0 }, wide, SIDE).zoom).toBe(1);
    expect(within({ zoom: 99, x: 0, y: 0 }, wide, SIDE).zoom).toBe(MAX_ZOOM);
    expect(cut({ zoom: 2, x: 0, y: 0 }, wide, SIDE)).toEqual({ x: 150, y: 50, side: 100 });
  });

  it('keeps what lies under the pointer where it is', () => {
    const zoomed = zoomAt(CENTRED, 2, 30, -10);
    const before = { x: (30 - CENTRED.x) / CENTRED.zoom, y: (-10 - CENTRED.y) / CENTRED.zoom };
    const after = { x: (30 - zoomed.x) / zoomed.zoom, y: (-10 - zoomed.y) / zoomed.zoom };
    expect(after).toEqual(before);
  });
});

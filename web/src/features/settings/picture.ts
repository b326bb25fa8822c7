import { cut, type Framing } from './crop';

export const TYPES = ['image/jpeg', 'image/png', 'image/webp'];
/** Twice the largest size at which a face is shown, for dense screens. */
const SIDE = 512;

/** What forbids this file. */
export function fileProblem(file: Blob, maxBytes: number): 'wrongType' | 'tooLarge' | null {
  if (!TYPES.includes(file.type)) return 'wrongType';
  return file.size > maxBytes ? 'tooLarge' : null;
}

/** What the frame shows, as a new JPEG: the camera's notes stay behind. */
export async function cutOut(picture: HTMLImageElement, framing: Framing, side: number): Promise<Blob> {
  const size = { width: picture.naturalWidth, height: picture.naturalHeight };
  const square = cut(framing, size, side);
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = Math.min(SIDE, Math.max(64, Math.round(square.side)));
  const context = canvas.getContext('2d');
  if (!context) throw new Error('no 2d canvas');
  // Where the picture is see-through a JPEG would turn black.
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, square.x, square.y, square.side, square.side, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('no picture came out'))),
      'image/jpeg',
      0.9,
    ),
  );
}

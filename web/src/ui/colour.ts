/** Relative luminance of `#rrggbb`, as WCAG defines it; null for anything else. */
function luminance(colour: string): number | null {
  const parts = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
  if (!parts) return null;
  const [r = 0, g = 0, b = 0] = parts.slice(1).map((hex) => {
    const part = parseInt(hex, 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** WCAG contrast ratio of two `#rrggbb` colours, 1 to 21; 0 where one cannot be read. */
export function contrast(one: string, other: string): number {
  const a = luminance(one);
  const b = luminance(other);
  if (a === null || b === null) return 0;
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

/** Black or white, whichever reads better on the colour: always at 4.5:1 or more. */
export function inkOn(colour: string): '#ffffff' | '#000000' {
  return contrast(colour, '#ffffff') >= 4.5 ? '#ffffff' : '#000000';
}

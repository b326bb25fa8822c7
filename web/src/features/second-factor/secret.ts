/** The secret that the server and the app on the phone make the same codes from. */
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const BYTES = 20;

/** As the API takes it, and as apps do. */
export interface Secret {
  sealable: string;
  base32: string;
}

/** RFC 4648, without padding: 20 bytes need none. */
export function base32(bytes: Uint8Array): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{5}/g) ?? []).map((five) => LETTERS[parseInt(five, 2)]).join('');
}

export function newSecret(): Secret {
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES));
  const base64 = btoa(String.fromCharCode(...bytes));
  return {
    sealable: base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
    base32: base32(bytes),
  };
}

/** In groups of four, to be typed by hand. */
export const inGroups = (secret: string) => secret.replace(/.{4}(?=.)/g, '$& ');

/** What apps read from a QR code, or open by a link. */
export function addressFor(app: { secret: string; issuer: string; account: string }): string {
  const issuer = encodeURIComponent(app.issuer);
  return `otpauth://totp/${issuer}:${encodeURIComponent(app.account)}?secret=${app.secret}&issuer=${issuer}`;
}

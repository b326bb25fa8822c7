import { describe, expect, it } from 'vitest';
import { addressFor, base32, inGroups, newSecret } from './secret';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('the secret of a second factor', () => {
  it('is written as RFC 4648 has it', () => {
    expect(base32(bytes('fooba'))).toBe('MZXW6YTB');
    expect(base32(bytes('12345678901234567890'))).toBe('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
  });

  it('is twenty bytes, another one each time, and the same for the server as for the app', () => {
    const [one, other] = [newSecret(), newSecret()];
    expect(one.base32).toMatch(/^[A-Z2-7]{32}$/);
    expect(one.base32).not.toBe(other.base32);
    expect(one.sealable).toMatch(/^[\w-]{27}$/);
    const again = atob(one.sealable.replaceAll('-', '+').replaceAll('_', '/'));
    expect(base32(Uint8Array.from(again, (char) => char.charCodeAt(0)))).toBe(one.base32);
  });

  it('can be typed by hand', () => {
    expect(inGroups('ABCDEFGH23')).toBe('ABCD EFGH 23');
  });

  it('is read by apps with whose it is, whatever the messenger is called', () => {
    const address = addressFor({ secret: 'ABCD', issuer: 'Chez nous: été & co', account: 'alice@here:8080' });
    expect(address).toBe(
      'otpauth://totp/Chez%20nous%3A%20%C3%A9t%C3%A9%20%26%20co:alice%40here%3A8080?secret=ABCD&issuer=Chez%20nous%3A%20%C3%A9t%C3%A9%20%26%20co',
    );
    expect(new URL(address).searchParams.get('issuer')).toBe('Chez nous: été & co');
  });
});

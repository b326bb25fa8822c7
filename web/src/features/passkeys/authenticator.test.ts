import { describe, expect, it } from 'vitest';
import { uuid } from '../../lib/ids';
import { idBytes, problemOf, toBytes, toText } from './authenticator';

describe('what is said of passkeys', () => {
  it('travels as base64url without padding, and comes back the same', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    expect(toText(Uint8Array.of(251, 255).buffer)).toBe('-_8');
    for (const length of [0, 1, 2, 3, 255, 256]) {
      const some = bytes.slice(0, length);
      expect(toText(some.buffer)).toMatch(/^[\w-]*$/);
      expect(toBytes(toText(some.buffer))).toEqual(some);
    }
  });

  it('names an account by the bytes of its id', () => {
    const id = '0190f4c2-7f3a-7abc-8def-0123456789ab';
    expect(idBytes(id)).toHaveLength(16);
    expect(uuid(idBytes(id))).toBe(id);
  });

  it('is explained by what the browser throws', () => {
    const code = (name: string) => problemOf(new DOMException('', name)).code;
    expect(code('NotAllowedError')).toBe('passkey_not_given');
    expect(code('AbortError')).toBe('passkey_not_given');
    expect(code('InvalidStateError')).toBe('passkey_exists');
    expect(code('SecurityError')).toBe('passkey_failed');
    expect(problemOf(new TypeError('no')).code).toBe('passkey_failed');
  });
});

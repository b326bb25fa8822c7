/** A UUIDv7: unique without asking anyone, and in the order of time, so that indexes stay compact. */
export function newId(now = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let i = 5, rest = now; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return uuid(bytes);
}

export function uuid(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}

/** The epoch an envelope was sealed under: its bytes 2 to 18 (see docs/e2ee.md). */
export function epochOf(envelope: string): string {
  const head = atob(envelope.slice(0, 24).replaceAll('-', '+').replaceAll('_', '/'));
  return uuid(Uint8Array.from(head, (char) => char.charCodeAt(0)).subarray(2, 18));
}

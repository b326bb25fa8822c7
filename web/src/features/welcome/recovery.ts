/** The groups of a recovery code: "7K3D-QW9M-…" → ["7K3D", "QW9M", …]. */
export const groupsOf = (code: string): string[] => code.split('-');

/** Which group to ask for, from 0: nobody can prepare for it by keeping just the first. */
export function askFor(groups: readonly string[]): number {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  return random % groups.length;
}

/** Crockford's alphabet has no I, L, O: what one reads as them is 1, 1 and 0. */
function canonical(typed: string): string {
  return typed
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, '')
    .replace(/[IL]/g, '1')
    .replace(/O/g, '0');
}

export function confirms(typed: string, group: string): boolean {
  return canonical(typed) === canonical(group);
}

/** The page's side of the vault: every call crosses to the worker that alone holds the keys. */
import { Problem } from './problem';
import type { VaultCalls } from './vault.calls';
import workerUrl from './vault.worker?worker&url';

/** The same functions, answered from across a thread. */
type Remote<Calls> = {
  [Name in keyof Calls]: Calls[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

export type Vault = Remote<VaultCalls>;

export interface Question {
  id: number;
  name: keyof VaultCalls;
  args: unknown[];
}

export type Answer = { id: number } & (
  { result: unknown } | { problem: { code: string; status: number; message: string } }
);

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): {
    createScriptURL(url: string): string;
  };
}

/** Trusted Types let no string start a worker, except through the one policy that the header names. */
const policy = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy('app', {
  createScriptURL(url) {
    if (new URL(url, location.origin).origin !== location.origin) throw new TypeError('Not our own script');
    return url;
  },
});

let worker: Worker | null = null;
let lastId = 0;
const waiting = new Map<number, { resolve(result: unknown): void; reject(problem: Problem): void }>();

/** Loads the worker and its wasm, which takes a moment: better while the person types. */
export function warmUp(): Worker {
  if (worker) return worker;
  const url = policy?.createScriptURL(workerUrl) ?? workerUrl;
  worker = new Worker(url, { type: 'module', name: 'vault' });
  worker.onmessage = ({ data }: MessageEvent<Answer>) => {
    const question = waiting.get(data.id);
    waiting.delete(data.id);
    if ('problem' in data) {
      const { code, status, message } = data.problem;
      question?.reject(new Problem(code, status, message));
    } else {
      question?.resolve(data.result);
    }
  };
  worker.onerror = () => {
    for (const question of waiting.values()) question.reject(new Problem('vault_failed'));
    waiting.clear();
    // The next question starts another one.
    worker = null;
  };
  return worker;
}

export const vault = new Proxy({} as Vault, {
  get:
    (_, name) =>
    (...args: unknown[]) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        waiting.set(id, { resolve, reject });
        warmUp().postMessage({ id, name, args } as Question);
      }),
});

/** The dedicated worker: loads the wasm once, then answers one question at a time. */
import { Problem } from './problem';
import init from '../generated/wasm/wasm.js';
import wasmUrl from '../generated/wasm/wasm_bg.wasm?url';
import type { Answer, Question } from './vault';
import { vaultCalls } from './vault.calls';

let loading: Promise<unknown> | null = null;

/** Without the network it fails, and the next question tries again. */
function loaded(): Promise<unknown> {
  loading ??= init({ module_or_path: wasmUrl }).catch((thrown: unknown) => {
    loading = null;
    throw new Problem('offline', 0, String(thrown));
  });
  return loading;
}

// While the person still types.
loaded().catch(() => undefined);

async function answer({ id, name, args }: Question): Promise<Answer> {
  try {
    await loaded();
    const call = vaultCalls[name] as (...args: unknown[]) => unknown;
    return { id, result: await call(...args) };
  } catch (thrown) {
    const { code, status, message } = Problem.from(thrown);
    return { id, problem: { code, status, message } };
  }
}

self.onmessage = ({ data }: MessageEvent<Question>) => {
  void answer(data).then((said) => self.postMessage(said));
};

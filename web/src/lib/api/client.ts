import { Problem } from '../problem';
import type {
  Accepted,
  Config,
  Conversation,
  Epoch,
  KeyringEntry,
  Marks,
  Me,
  Message,
  NewAccount,
  Person,
  Signed,
  SignedIn,
  Vault,
} from './types';

type Query = Record<string, string | number | undefined>;

interface Options {
  json?: unknown;
  body?: Blob;
  query?: Query;
  signal?: AbortSignal;
}

async function problemOf(response: Response): Promise<Problem> {
  const wait = Number(response.headers.get('Retry-After'));
  const retryAfter = Number.isFinite(wait) && wait > 0 ? wait : undefined;
  const said = (await response.json().catch(() => null)) as { code?: string; message?: string } | null;
  // A proxy in between answers without our shape.
  const code = said?.code ?? (response.status >= 502 ? 'unavailable' : 'internal');
  return new Problem(code, response.status, said?.message ?? response.statusText, retryAfter);
}

let signedOut: () => void = () => undefined;

/** One request; whatever goes wrong is a `Problem`, save an abort, which stays an abort. */
async function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const url = new URL(`/api${path}`, location.origin);
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const init: RequestInit = { method, credentials: 'same-origin', signal: options.signal ?? null };
  if (options.json !== undefined) {
    init.headers = { 'Content-Type': 'application/json' };
    init.body = JSON.stringify(options.json);
  } else if (options.body) {
    init.headers = { 'Content-Type': options.body.type };
    init.body = options.body;
  }
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (thrown) {
    if (options.signal?.aborted) throw thrown;
    throw new Problem('offline', 0, String(thrown));
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    if (problem.code === 'signed_out') signedOut();
    throw problem;
  }
  return (response.status === 204 ? undefined : await response.json()) as T;
}

const id = encodeURIComponent;

interface Page {
  cursor?: string;
  limit?: number;
}

/** The server's routes, one function each. */
export const api = {
  /** Any request may be the one that learns that the session is over. */
  onSignedOut(listener: () => void): void {
    signedOut = listener;
  },

  config: () => call<Config>('GET', '/config'),
  handle: (handle: string, signal?: AbortSignal) =>
    call<{ available: boolean }>('GET', `/handles/${id(handle)}`, { signal }),

  registerStart: (json: { handle: string; request: string }) =>
    call<{ account: string; response: string }>('POST', '/register/start', { json }),
  registerFinish: (json: NewAccount) => call<SignedIn>('POST', '/register/finish', { json }),
  loginStart: (json: { handle: string; request: string }) =>
    call<{ login: string; response: string }>('POST', '/login/start', { json }),
  loginFinish: (json: { login: string; finalization: string }) =>
    call<SignedIn>('POST', '/login/finish', { json }),
  logout: () => call<undefined>('POST', '/logout'),
  session: () => call<SignedIn>('GET', '/session'),

  updateProfile: (json: { display_name?: string; status?: string; bio?: string }) =>
    call<Me>('PATCH', '/profile', { json }),
  setAvatar: (body: Blob) => call<Me>('PUT', '/profile/avatar', { body }),
  removeAvatar: () => call<Me>('DELETE', '/profile/avatar'),

  people: (query: { q: string } & Page, signal?: AbortSignal) =>
    call<{ people: Person[]; next: string | null }>('GET', '/people', { query: { ...query }, signal }),
  person: (account: string) => call<Person>('GET', `/people/${id(account)}`),
  keyBundle: (account: string) => call<Signed>('GET', `/people/${id(account)}/key-bundle`),

  vault: () => call<Vault>('GET', '/vault'),
  putVault: (json: Vault) => call<undefined>('PUT', '/vault', { json }),
  keyring: (query: Page) =>
    call<{ entries: KeyringEntry[]; next: string | null }>('GET', '/keyring', { query: { ...query } }),
  putKeyring: (json: { entries: KeyringEntry[] }) => call<undefined>('PUT', '/keyring', { json }),

  openConversation: (account: string) =>
    call<Conversation>('POST', '/conversations', { json: { with: account } }),
  conversations: (query: Page) =>
    call<{ conversations: Conversation[]; next: string | null }>('GET', '/conversations', {
      query: { ...query },
    }),
  conversation: (conversation: string) => call<Conversation>('GET', `/conversations/${id(conversation)}`),
  epochs: (conversation: string, query: { after?: number; limit?: number }) =>
    call<{ epochs: Epoch[]; next: number | null }>('GET', `/conversations/${id(conversation)}/epochs`, {
      query,
    }),
  createEpoch: (conversation: string, json: { grant: Signed; keyring: string }) =>
    call<{ id: string; number: number }>('POST', `/conversations/${id(conversation)}/epochs`, { json }),
  history: (conversation: string, query: { before?: number; limit?: number }) =>
    call<{ messages: Message[] }>('GET', `/conversations/${id(conversation)}/messages`, { query }),
  changes: (conversation: string, query: { changed_after: number; limit?: number }) =>
    call<{ messages: Message[]; next?: number | null }>(
      'GET',
      `/conversations/${id(conversation)}/messages`,
      {
        query,
      },
    ),
  send: (conversation: string, json: { id: string; envelope: string }) =>
    call<Accepted>('POST', `/conversations/${id(conversation)}/messages`, { json }),
  receipt: (conversation: string, json: Partial<Marks>) =>
    call<undefined>('POST', `/conversations/${id(conversation)}/receipts`, { json }),
};

export const avatarUrl = (avatar: string) => `/api/avatars/${id(avatar)}`;

import createClient from 'openapi-fetch';
import { clock } from '../clock';
import { Problem } from '../problem';
import { conversationOf, epochsOf, keyringOf, pageOf, sessionOf } from './answers';
import type { paths } from './schema';
import type {
  CredentialsFinish,
  KeyringEntry,
  Marks,
  NewAccount,
  NewAddress,
  NewDigest,
  NewMessage,
  NewReport,
  NewOpinion,
  Privacy,
  RecoveryFinish,
  ResetByMail,
  ResetFinish,
  SignUpByMail,
  Signed,
  Vault,
} from './types';

// Looked up at each call: the page's fetch may be watched or replaced.
export const server = createClient<paths>({ baseUrl: '/api', fetch: (request) => fetch(request) });

let signedOut: () => void = () => undefined;

interface Answer<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

function problemOf({ error, response }: Answer<unknown>): Problem {
  const wait = Number(response.headers.get('Retry-After'));
  const said = error as { code?: string; message?: string } | undefined;
  // Without our shape it is not our server that answers, but something in between, whatever its status.
  const code = said?.code ?? 'unavailable';
  return new Problem(
    code,
    response.status,
    said?.message ?? response.statusText,
    wait > 0 ? wait : undefined,
  );
}

/** The data; whatever goes wrong is a `Problem`, save an abort, which stays an abort. */
export async function data<Data>(answer: Promise<Answer<Data>>): Promise<Data> {
  const arrived = await answer.catch((thrown: unknown) => {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') throw thrown;
    throw new Problem('offline', 0, String(thrown));
  });
  clock.hint(arrived.response.headers.get('Date'));
  if (arrived.response.ok) return arrived.data as Data;
  const problem = problemOf(arrived);
  if (problem.code === 'signed_out') signedOut();
  throw problem;
}

interface Page {
  cursor?: string;
  limit?: number;
}

const to = (conversation: string) => ({ path: { conversation } });
const about = (conversation: string, message: string) => ({ path: { conversation, message } });

/** A picture as a body: the description of the API knows bytes only as a list of numbers. */
export const picture = (image: Blob) => ({
  body: image as unknown as number[],
  bodySerializer: () => image,
  headers: { 'Content-Type': image.type },
});

/** The server's routes, one function each. */
export const api = {
  /** Any request may be the one that learns that the session is over. */
  onSignedOut(listener: () => void): void {
    signedOut = listener;
  },

  config: () => data(server.GET('/config')),
  handle: (handle: string, signal?: AbortSignal) =>
    data(server.GET('/handles/{handle}', { params: { path: { handle } }, signal })),

  registerStart: (body: { handle: string; request: string; invitation?: string }) =>
    data(server.POST('/register/start', { body })),
  registerFinish: async (body: NewAccount) =>
    sessionOf(await data(server.POST('/register/finish', { body }))),
  loginStart: (body: { handle: string; request: string }) => data(server.POST('/login/start', { body })),
  loginFinish: async (body: { login: string; finalization: string }) => {
    const answer = await data(server.POST('/login/finish', { body }));
    return 'login' in answer ? answer : sessionOf(answer);
  },
  loginCode: async (body: { login: string; code: string }) =>
    sessionOf(await data(server.POST('/login/code', { body }))),
  turnOnSecondFactor: (body: { login: string; finalization: string; secret: string; code: string }) =>
    data(server.POST('/second-factor/on', { body })),
  turnOffSecondFactor: (body: { login: string; finalization: string }) =>
    data(server.POST('/second-factor/off', { body })),
  replaceBackupCodes: (body: { login: string; finalization: string }) =>
    data(server.POST('/second-factor/backup-codes', { body })),
  recoveryStart: (body: { handle: string; proof: string; request: string }) =>
    data(server.POST('/recovery/start', { body })),
  recoveryFinish: async (body: RecoveryFinish) =>
    sessionOf(await data(server.POST('/recovery/finish', { body }))),
  resetStart: (body: { token: string; request?: string }) => data(server.POST('/resets/start', { body })),
  resetFinish: async (body: ResetFinish) => sessionOf(await data(server.POST('/resets/finish', { body }))),
  resetByMail: (body: ResetByMail) => data(server.POST('/resets/mail', { body })),
  callOffReset: () => data(server.DELETE('/resets/mail')),
  checkRecoveryCode: (body: { proof: string }) => data(server.POST('/recovery/check', { body })),
  credentialsStart: (body: { request: string; registration?: string }) =>
    data(server.POST('/credentials/start', { body })),
  credentialsFinish: (body: CredentialsFinish) => data(server.POST('/credentials/finish', { body })),
  leave: (body: { login: string; finalization: string }) => data(server.POST('/erasure', { body })),
  stay: () => data(server.DELETE('/erasure')),
  erasure: (token: string) => data(server.POST('/receipts', { body: { token } })),
  ownAddress: () => data(server.GET('/address')),
  setAddress: (body: NewAddress) => data(server.POST('/address', { body })),
  removeAddress: (body: { login: string; finalization: string }) =>
    data(server.POST('/address/remove', { body })),
  changeDigest: (body: NewDigest) => data(server.PUT('/address/digest', { body })),
  unsubscribe: (token: string) => data(server.POST('/address/unsubscribe', { params: { query: { token } } })),
  signUpByMail: (body: SignUpByMail) => data(server.POST('/register/mail', { body })),
  confirmAddress: (body: { token: string }) => data(server.POST('/address/confirm', { body })),
  sessions: () => data(server.GET('/sessions')),
  endSession: (session: string) =>
    data(server.DELETE('/sessions/{session}', { params: { path: { session } } })),
  endOtherSessions: () => data(server.DELETE('/sessions')),
  logout: () => data(server.POST('/logout')),
  session: async () => sessionOf(await data(server.GET('/session'))),

  updateProfile: (body: { display_name?: string; status?: string; bio?: string }) =>
    data(server.PATCH('/profile', { body })),
  setAvatar: (image: Blob) => data(server.PUT('/profile/avatar', picture(image))),
  removeAvatar: () => data(server.DELETE('/profile/avatar')),
  privacy: () => data(server.GET('/privacy')),
  changePrivacy: (body: Partial<Privacy>) => data(server.PATCH('/privacy', { body })),

  attending: () => data(server.POST('/attending')),
  presence: (conversation: string) =>
    data(server.GET('/conversations/{conversation}/presence', { params: to(conversation) })),
  typing: (conversation: string) =>
    data(server.POST('/conversations/{conversation}/typing', { params: to(conversation) })),

  people: (query: { q: string } & Page, signal?: AbortSignal) =>
    data(server.GET('/people', { params: { query }, signal })),
  person: (account: string) => data(server.GET('/people/{account}', { params: { path: { account } } })),
  keyBundle: (account: string) =>
    data(server.GET('/people/{account}/key-bundle', { params: { path: { account } } })),

  blocks: () => data(server.GET('/blocks')),
  block: (account: string) => data(server.PUT('/blocks/{account}', { params: { path: { account } } })),
  unblock: (account: string) => data(server.DELETE('/blocks/{account}', { params: { path: { account } } })),

  report: (body: NewReport) => data(server.POST('/reports', { body })),

  trouble: (body: { unopened: number }) => data(server.POST('/trouble', { body })),

  vault: async () => (await data(server.GET('/vault'))) as Vault,
  /** Undefined when there is none after the one that is known. */
  laterVault: (known: number): Promise<Vault | undefined> =>
    data(server.GET('/vault', { params: { query: { known } } })),
  putVault: (body: Vault) => data(server.PUT('/vault', { body })),
  keyring: async (query: Page) =>
    keyringOf(await data(server.GET('/keyring', { params: { query } })), query.cursor),
  putKeyring: (body: { entries: KeyringEntry[] }) => data(server.PUT('/keyring', { body })),

  openConversation: async (account: string) =>
    conversationOf(await data(server.POST('/conversations', { body: { with: account } }))),
  conversations: async (query: Page) => {
    const page = await data(server.GET('/conversations', { params: { query } }));
    return { ...page, conversations: page.conversations.map((each) => conversationOf(each)) };
  },
  conversation: async (conversation: string) =>
    conversationOf(
      await data(server.GET('/conversations/{conversation}', { params: to(conversation) })),
      conversation,
    ),
  epochs: async (conversation: string, query: { after?: number; limit?: number }) =>
    epochsOf(
      await data(
        server.GET('/conversations/{conversation}/epochs', { params: { ...to(conversation), query } }),
      ),
      query.after,
    ),
  createEpoch: (conversation: string, body: { grant: Signed; keyring: string }) =>
    data(server.POST('/conversations/{conversation}/epochs', { params: to(conversation), body })),
  history: async (
    conversation: string,
    query: { before?: number; after?: number; since?: number; limit?: number },
  ) => {
    const params = { ...to(conversation), query };
    const page = await data(server.GET('/conversations/{conversation}/messages', { params }));
    return pageOf(conversation, page, 'seq', query);
  },
  changes: async (conversation: string, query: { changed_after: number; limit?: number }) => {
    const params = { ...to(conversation), query };
    const page = await data(server.GET('/conversations/{conversation}/messages', { params }));
    return pageOf(conversation, page, 'rev', { after: query.changed_after });
  },
  send: (conversation: string, body: NewMessage) =>
    data(server.POST('/conversations/{conversation}/messages', { params: to(conversation), body })),
  deleteMessage: (conversation: string, message: string) =>
    data(
      server.DELETE('/conversations/{conversation}/messages/{message}', {
        params: about(conversation, message),
      }),
    ),
  removeReaction: (conversation: string, message: string) =>
    data(
      server.DELETE('/conversations/{conversation}/messages/{message}/reaction', {
        params: about(conversation, message),
      }),
    ),
  scheduled: () => data(server.GET('/scheduled')),
  schedule: (conversation: string, message: string, body: { envelope: string; at: number }) =>
    data(
      server.PUT('/conversations/{conversation}/scheduled/{message}', {
        params: about(conversation, message),
        body,
      }),
    ),
  withdraw: (conversation: string, message: string) =>
    data(
      server.DELETE('/conversations/{conversation}/scheduled/{message}', {
        params: about(conversation, message),
      }),
    ),
  sendNow: (conversation: string, message: string) =>
    data(
      server.POST('/conversations/{conversation}/scheduled/{message}/send', {
        params: about(conversation, message),
      }),
    ),
  versions: (conversation: string, message: string) =>
    data(
      server.GET('/conversations/{conversation}/messages/{message}/versions', {
        params: about(conversation, message),
      }),
    ),
  took: (conversation: string, body: { seq: number; milliseconds: number }) =>
    data(server.POST('/conversations/{conversation}/took', { params: to(conversation), body })),
  survey: () => data(server.GET('/survey')),
  answerSurvey: (body: NewOpinion) => data(server.POST('/survey/answer', { body })),
  putSurveyOff: () => data(server.POST('/survey/later')),
  receipt: (conversation: string, body: Partial<Marks>, { keepalive = false } = {}) =>
    data(
      server.POST('/conversations/{conversation}/receipts', { params: to(conversation), body, keepalive }),
    ),
};

export const avatarUrl = (avatar: string) => `/api/avatars/${encodeURIComponent(avatar)}`;

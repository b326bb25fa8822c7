/** How a passkey lets one in. Fetched when it is asked for. */
import { data, server } from '../../lib/api/client';
import { use } from './authenticator';
import { Problem } from '../../lib/problem';

/** Without the password. Throws `passkey_opens_nothing` for one that gives no secret here. */
export async function alone() {
  const { answer, output } = await use(await data(server.POST('/login/passkey/start')), true);
  if (!output) throw new Problem('passkey_opens_nothing');
  return { signedIn: await data(server.POST('/login/passkey', { body: answer })), output };
}

/** Beside the password, which `login` has proven. */
export async function beside(login: string) {
  const { answer } = await use(await data(server.POST('/login/code/passkey', { body: { login } })), false);
  return data(server.POST('/login/passkey', { body: { ...answer, login } }));
}

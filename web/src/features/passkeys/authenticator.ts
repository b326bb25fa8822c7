/** What the page says to the browser of passkeys, and what it hears. */
import type { PasskeyWanted } from '../../lib/api/types';
import { Problem } from '../../lib/problem';

/** Always the same, since nobody says beforehand which passkey will answer (docs/e2ee.md); never another one. */
const PRF_INPUT = new TextEncoder().encode('entrenous/v1/passkey-prf');
const PATIENCE = 5 * 60_000;
/** ES256, Ed25519, RS256: what the server takes (COSE's numbers). */
const KINDS = [-7, -8, -257];

/** What only this passkey gives; to be handed to the worker, and overwritten here. */
export type Output = Uint8Array<ArrayBuffer>;

export function toText(bytes: ArrayBuffer): string {
  const text = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function toBytes(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (char) => char.charCodeAt(0));
}

const named = (credentials: string[]): PublicKeyCredentialDescriptor[] =>
  credentials.map((id) => ({ type: 'public-key', id: toBytes(id) }));

const prf = { prf: { eval: { first: PRF_INPUT } } };

function outputOf(credential: PublicKeyCredential): Output | null {
  const first = credential.getClientExtensionResults().prf?.results?.first;
  if (!first) return null;
  const bytes = new Uint8Array(first instanceof ArrayBuffer ? first : first.buffer);
  return bytes.length === 32 ? bytes : null;
}

/** By what the browser says went wrong. It does not tell a "no" from nobody being there. */
export function problemOf(thrown: unknown): Problem {
  const name = thrown instanceof DOMException ? thrown.name : '';
  if (name === 'NotAllowedError' || name === 'AbortError') return new Problem('passkey_not_given');
  if (name === 'InvalidStateError') return new Problem('passkey_exists');
  return new Problem('passkey_failed', 0, String(thrown));
}

async function asked(ask: Promise<Credential | null>): Promise<PublicKeyCredential> {
  const credential = await ask.catch((thrown: unknown) => {
    throw problemOf(thrown);
  });
  if (!(credential instanceof PublicKeyCredential)) throw new Problem('passkey_not_given');
  return credential;
}

/** Has one signed what the server wants. `alone`: without the password, for which the device must know its owner. */
export async function use(wanted: PasskeyWanted, alone: boolean) {
  const credential = await asked(
    navigator.credentials.get({
      publicKey: {
        challenge: toBytes(wanted.challenge),
        rpId: wanted.site,
        allowCredentials: named(wanted.credentials),
        // A device gives another output where it has not seen that it is its owner.
        userVerification: alone ? 'required' : 'preferred',
        timeout: PATIENCE,
        ...(alone && { extensions: prf }),
      },
    }),
  );
  const { clientDataJSON, authenticatorData, signature, userHandle } =
    credential.response as AuthenticatorAssertionResponse;
  const answer = {
    credential: toText(credential.rawId),
    client_data: toText(clientDataJSON),
    authenticator_data: toText(authenticatorData),
    signature: toText(signature),
    ...(userHandle && { user: toText(userHandle) }),
  };
  return { answer, output: outputOf(credential) };
}

/** Has one made. `output`: null where it cannot open anything. */
export async function make(
  wanted: PasskeyWanted,
  of: { id: string; handle: string; display_name: string },
  organisation: string,
) {
  const credential = await asked(
    navigator.credentials.create({
      publicKey: {
        challenge: toBytes(wanted.challenge),
        rp: { id: wanted.site, name: organisation },
        user: { id: idBytes(of.id), name: of.handle, displayName: of.display_name },
        pubKeyCredParams: KINDS.map((alg) => ({ type: 'public-key', alg })),
        excludeCredentials: named(wanted.credentials),
        authenticatorSelection: {
          residentKey: 'required',
          requireResidentKey: true,
          userVerification: 'required',
        },
        attestation: 'none',
        timeout: PATIENCE,
        extensions: prf,
      },
    }),
  );
  const response = credential.response as AuthenticatorAttestationResponse;
  const key = response.getPublicKey();
  if (!key) throw new Problem('bad_passkey');
  const made = {
    client_data: toText(response.clientDataJSON),
    authenticator_data: toText(response.getAuthenticatorData()),
    public_key: toText(key),
  };
  const enabled = credential.getClientExtensionResults().prf?.enabled ?? false;
  return { made, output: outputOf(credential) ?? (enabled ? await askAgain(wanted, credential) : null) };
}

/** Many devices give their secret only when the passkey is used. What is signed for it goes nowhere. */
async function askAgain({ site }: PasskeyWanted, { rawId }: PublicKeyCredential): Promise<Output | null> {
  const challenge = toText(crypto.getRandomValues(new Uint8Array(32)).buffer);
  const { output } = await use({ challenge, site, credentials: [toText(rawId)] }, true);
  return output;
}

/** The 16 bytes of an account's id, by which a device finds whose passkey it is. */
export const idBytes = (id: string) =>
  Uint8Array.from(id.replaceAll('-', '').match(/../g) ?? [], (two) => parseInt(two, 16));

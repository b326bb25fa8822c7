/**
 * A server that lies, or is broken: what the page refuses, what it says, and that nothing of the person's own is lost.
 * docs/threat-model.md has each case in a table.
 */
import type { WebSocketRoute } from '@playwright/test';
import { en as warnings } from '../web/src/features/conversations/words/en.ts';
import { fr as avertissements } from '../web/src/features/conversations/words/fr.ts';
import { axeFindsNothing } from './support/axe.ts';
import { between } from './support/between.ts';
import { type History, bent, honest, lie, openAt, sessionOf } from './support/lies.ts';
import { type Person, en, expect, fr, test } from './support/test.ts';
import type {
  Conversation,
  Epoch,
  KeyringEntry,
  Message,
  Signed,
  SignedIn,
} from '../web/src/lib/api/types.ts';

/** The first has written these words to the other, who sees them. */
async function written(from: Person, to: Person, texts: string[]): Promise<void> {
  await from.find(to);
  for (const text of texts) {
    await from.write(to, text);
    await from.stored(to, text);
  }
  await to.open(from);
  await expect(to.bubble(from, texts.at(-1) ?? '')).toBeVisible();
}

const messagesOf = async (person: Person, conversation: string) =>
  (await honest<History>(person, `conversations/${conversation}/messages`)).messages;

/** In its place stands what was written elsewhere, or otherwise. */
const inPlaceOf = ({ seq, rev }: Message, other: Message): Message => ({ ...other, seq, rev });

for (const locale of ['en-GB', 'fr-FR']) {
  test(`what was not written so, here and by this person, is not shown as if it were (${locale})`, async ({
    person,
    browserOf,
  }) => {
    const alice = await person('Alice Martin', { locale });
    const { t } = alice;
    const bob = await person('Bob Nkemelu');
    const carol = await person('Carol Danvers');
    await written(carol, alice, ['only for Alice']);
    const [secret] = await messagesOf(alice, openAt(alice));
    const texts = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven'];
    await written(bob, alice, texts);
    await bob.act(alice, 'ten', 'edit');
    await bob.write(alice, 'TEN');
    await expect(alice.bubble(bob, 'TEN')).toBeVisible();
    const conversation = openAt(alice);
    const { me } = await sessionOf(alice);
    const before = await messagesOf(alice, conversation);
    const edited = before.find(({ edit }) => edit) as Message;

    const there = Object.assign(alice.at(await browserOf({ locale })), { t });
    await lie<History>(there.page, `conversations/${conversation}/messages?*`, ({ messages }, url) => {
      // Of what came before the third there is nothing.
      if (url.searchParams.has('before')) return { messages: [] };
      const lies: Record<number, (message: Message) => Message> = {
        4: (message) => inPlaceOf(message, secret as Message),
        5: (message) => ({ ...message, sender: me.id }),
        6: (message) => ({ ...message, envelope: message.envelope?.slice(0, -40) }),
        7: (message) => ({ ...message, envelope: bent(message.envelope ?? '', 0) }),
        8: (message) => ({ ...message, envelope: edited.envelope, edit: edited.edit }),
        9: (message) => ({ ...message, envelope: bent(message.envelope ?? '', 60) }),
        // The third once more.
        11: (message) => inPlaceOf(message, messages[2] as Message),
      };
      const told = messages.map((message) => lies[message.seq]?.(message) ?? message);
      return { messages: told.filter(({ seq }) => seq > 2 && seq !== 10) };
    });
    await there.page.goto('/');
    await there.logIn();
    await there.open(bob);

    const log = there.log(bob);
    await expect(there.bubble(bob, 'three')).toHaveCount(1);
    await expect(log.getByText(t.thread.instead.unreadable)).toHaveCount(5);
    await expect(log.getByText(t.thread.instead.newer)).toHaveCount(1);
    await expect(log.getByText(t.thread.instead.repeated)).toHaveCount(1);
    await expect(log.getByText(t.thread.gap(1))).toHaveCount(1);
    await expect(log.getByText(t.thread.gap(2))).toHaveCount(1);
    await expect(there.page.getByText(t.thread.start(bob.displayName))).toHaveCount(0);
    for (const text of ['only for Alice', 'four', 'five', 'eight', 'TEN', 'eleven'])
      await expect(there.bubble(bob, text)).toHaveCount(0);
    await axeFindsNothing(there.page, 'a thread that the server lies about');

    // The same browser, as soon as the server is honest.
    await there.page.unrouteAll();
    await expect(alice.bubble(bob, 'eleven')).toBeVisible();
    await there.write(bob, 'I see');
    await expect(bob.bubble(alice, 'I see')).toBeVisible();
  });
}

test('what a page has seen is not undone, and nonsense on the line does not break it', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await written(bob, alice, ['to be deleted', 'first words', 'it stays']);
  const conversation = openAt(alice);
  const [deleted, undone, kept] = (await messagesOf(alice, conversation)) as [Message, Message, Message];
  await bob.act(alice, 'to be deleted', 'delete');
  await bob.page.getByRole('dialog').getByRole('button', { name: en.message.deleteForBoth }).click();
  await bob.act(alice, 'first words', 'edit');
  await bob.write(alice, 'second words');
  await expect(alice.bubble(bob, en.thread.instead.deleted)).toBeVisible();
  await expect(alice.bubble(bob, 'second words')).toBeVisible();

  const sockets = await between(alice.page, {});
  const last = () => sockets.at(-1) as WebSocketRoute;
  await expect(alice.bubble(bob, 'second words')).toBeVisible();
  const { rev } = await honest<Conversation>(alice, `conversations/${conversation}`);
  const says = (message: Message) => last().send(JSON.stringify({ type: 'message', message }));
  says({ ...deleted, rev: rev + 1 });
  says({ ...undone, rev: rev + 2 });
  says({ ...inPlaceOf(kept, undone), rev: rev + 3 });
  await expect(alice.page.getByText(warnings.contradiction)).toBeVisible();
  await expect(alice.bubble(bob, en.thread.instead.deleted)).toHaveCount(1);
  await expect(alice.bubble(bob, 'second words')).toHaveCount(1);
  await expect(alice.bubble(bob, 'it stays')).toHaveCount(1);
  for (const text of ['to be deleted', 'first words']) await expect(alice.bubble(bob, text)).toHaveCount(0);
  await axeFindsNothing(alice.page, 'a server that takes back what it said');

  // A kind that is not known yet is nothing; all the others end the line, and the page opens another, each time later.
  // What else counts as nonsense: web/src/lib/api/answers.test.ts.
  const nonsense = [
    'no JSON',
    'null',
    '{"type":"message"}',
    JSON.stringify({ type: 'receipt', conversation, account: kept.sender, delivered: 'all', read: -1 }),
  ];
  for (const said of nonsense) {
    const count = sockets.length;
    last().send('{"type":"of a newer server","seq":{}}');
    last().send(said);
    await expect.poll(() => sockets.length, said).toBeGreaterThan(count);
  }
  // Far beyond everything that is there: it must not be waited for.
  says({ ...kept, id: crypto.randomUUID(), seq: Number.MAX_SAFE_INTEGER, rev: Number.MAX_SAFE_INTEGER });
  await bob.write(alice, 'still there?');
  await expect(alice.bubble(bob, 'still there?')).toBeVisible();
  await alice.write(bob, 'Yes.');
  await expect(bob.bubble(alice, 'Yes.')).toBeVisible();
  await alice.page.reload();
  await expect(alice.bubble(bob, 'Yes.')).toHaveCount(1);
});

test('an earlier state of a conversation is told, and what comes afterwards is not lost', async ({
  person,
}) => {
  const alice = await person('Alice Martin', { locale: 'fr-FR' });
  const bob = await person('Bob Nkemelu');
  await written(bob, alice, ['in the backup']);
  const conversation = openAt(alice);
  const old = await honest<Conversation>(alice, `conversations/${conversation}`);
  await bob.write(alice, 'after it');
  await expect(alice.bubble(bob, 'after it')).toBeVisible();

  const { page } = alice;
  await lie<Conversation>(page, `conversations/${conversation}`, () => old);
  await lie<History>(page, `conversations/${conversation}/messages?*`, ({ messages }) => ({
    messages: messages.filter(({ seq }) => seq <= old.seq),
  }));
  await page.reload();
  await expect(page.getByText(avertissements.went_back)).toBeVisible();
  await expect(alice.bubble(bob, 'in the backup')).toBeVisible();
  await axeFindsNothing(page, 'a conversation that went back');
  await page.unrouteAll();
  await page.reload();
  await expect(alice.bubble(bob, 'after it')).toBeVisible();
  await bob.write(alice, 'and on');
  await expect(alice.bubble(bob, 'and on')).toBeVisible();
  await expect(page.getByText(avertissements.went_back)).toHaveCount(0);
});

test('keys that are not a contact’s are refused, and the words wait here', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu', { locale: 'fr-FR' });
  const carol = await person('Carol Danvers');
  const { page } = alice;
  const { me, key_bundle: carols } = await sessionOf(carol);

  // In the list and in the search, somebody stands for somebody else.
  const opened = await lie<Conversation>(page, 'conversations', (answer) => ({
    ...answer,
    peer: { ...answer.peer, id: me.id },
  }));
  await page.keyboard.press('Control+K');
  await page.getByRole('combobox').fill(bob.handle);
  await page.getByRole('option', { name: new RegExp(bob.handle) }).click();
  await expect(page.getByRole('dialog').getByText(en.errors.bad_answer)).toBeVisible();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await opened();

  // Another account's bundle, then one whose signature is wrong.
  let told: (bundle: Signed) => Signed = () => carols;
  const bundles = await lie<Signed>(page, 'people/*/key-bundle', (bundle) => told(bundle));
  await alice.find(bob);
  await expect(page.getByText(warnings.notTheirs(bob.displayName))).toBeVisible();
  await alice.write(bob, 'the first words');
  const refused = page.getByRole('group', { name: en.thread.refusals['bad_key_bundle'] });
  await expect(refused).toBeVisible();
  await axeFindsNothing(page, 'keys that are not theirs');
  told = (bundle) => ({ ...bundle, signature: bent(bundle.signature, 9) });
  await refused.getByRole('button', { name: en.thread.retry }).click();
  await expect(refused).toBeVisible();
  await expect(bob.page.getByText('the first words')).toHaveCount(0);
  await bundles();
  await refused.getByRole('button', { name: en.thread.retry }).click();
  await alice.stored(bob, 'the first words');
  await page.reload();
  await expect(page.getByText(warnings.notTheirs(bob.displayName))).toHaveCount(0);
  await bob.open(alice);
  await expect(bob.bubble(alice, 'the first words')).toBeVisible();

  // Under another handle than the one in the keys.
  await lie<Conversation>(bob.page, `conversations/${openAt(bob)}`, (answer) => ({
    ...answer,
    peer: { ...answer.peer, handle: carol.handle },
  }));
  await bob.page.reload();
  await expect(bob.page.getByText(avertissements.notTheirs(alice.displayName))).toBeVisible();
  await bob.page.unrouteAll();

  // In the list, a conversation is another's.
  await lie<{ conversations: Conversation[] }>(page, 'conversations?*', ({ conversations }) => ({
    conversations: conversations.map((each) => ({ ...each, peer: { ...each.peer, id: me.id } })),
  }));
  await page.reload();
  await expect(page.getByRole('navigation').getByText(en.errors.bad_answer)).toBeVisible();
});

test('a keyring that is withheld or wrong is not needed, and false grants open nothing', async ({
  person,
  browserOf,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const carol = await person('Carol Danvers');
  await written(carol, alice, ['from Carol']);
  await written(bob, alice, ['from Bob']);
  const { page } = await alice.logInOn(await browserOf());
  const there = alice.at(page);
  const tellings: ((entries: KeyringEntry[]) => unknown[])[] = [
    () => [],
    ([one, other]) => [
      { ...one, box: other?.box },
      { ...other, box: one?.box },
    ],
    ([one]) => [{ ...one, box: 'no base64url!' }, null],
  ];
  for (const [at, entries] of tellings.entries()) {
    let asked = false;
    const keyring = await lie<{ entries: KeyringEntry[] }>(page, 'keyring*', (answer) => {
      asked = true;
      return at < 2 ? { entries: entries(answer.entries) } : { entries: entries(answer.entries).slice(0, 1) };
    });
    await page.reload();
    await there.open(bob);
    await expect(there.bubble(bob, 'from Bob')).toBeVisible();
    await there.open(carol);
    await expect(there.bubble(carol, 'from Carol')).toBeVisible();
    expect(asked).toBe(true);
    await keyring();
  }

  // Nothing in the keyring, and in the place of the grant a false one: signed otherwise, then of a suite that is none.
  await there.open(bob);
  await lie(page, 'keyring*', () => ({ entries: [] }));
  const bends: ((grant: Epoch) => Epoch)[] = [
    (grant) => ({ ...grant, signature: bent(grant.signature, 9) }),
    // Of enc("epoch-grant", suite, …): two for the length of the label, then it, then four for the length of the suite.
    (grant) => ({ ...grant, body: bent(grant.body, 2 + 'entrenous/v1/epoch-grant'.length + 4) }),
  ];
  for (const bend of bends) {
    const grants = await lie<{ epochs: Epoch[] }>(page, 'conversations/*/epochs?*', ({ epochs }) => ({
      epochs: epochs.map(bend),
    }));
    await page.reload();
    await expect(there.bubble(bob, en.thread.instead.unreadable).first()).toBeVisible();
    await expect(there.bubble(bob, 'from Bob')).toHaveCount(0);
    await there.write(bob, 'my own words');
    const refused = page.getByRole('group', { name: en.thread.refusals['bad_grant'] });
    await expect(refused).toBeVisible();
    await grants();
    await page.reload();
    await expect(there.bubble(bob, 'from Bob')).toBeVisible();
    await refused.getByRole('button', { name: en.thread.retry }).click();
    await there.stored(bob, 'my own words');
    await expect(refused).toHaveCount(0);
    await expect(bob.bubble(alice, 'my own words').last()).toBeVisible();
  }
});

test('nobody is let in with keys that are not their own', async ({ person, browserOf }) => {
  const alice = await person('Alice Martin', { locale: 'fr-FR' });
  const bob = await person('Bob Nkemelu');
  const bobs = await sessionOf(bob);
  const page = await browserOf({ locale: 'fr-FR' });
  const there = alice.at(page);
  await page.goto('/');

  const { errors } = fr;
  const lies: [string, string, (answer: SignedIn) => unknown][] = [
    [
      'another account’s public keys',
      errors.own_identity_mismatch,
      (own) => ({ ...own, key_bundle: bobs.key_bundle }),
    ],
    ['another account’s vault', errors.not_authentic, (own) => ({ ...own, vault: bobs.vault })],
    [
      'a vault cut short',
      errors.not_authentic,
      ({ vault, ...own }) => ({
        ...own,
        vault: { ...vault, box: vault.box.slice(0, 200) },
      }),
    ],
    [
      'a vault under another number',
      errors.not_authentic,
      ({ vault, ...own }) => ({
        ...own,
        vault: { ...vault, version: vault.version + 1 },
      }),
    ],
    ['another account’s slot', errors.not_authentic, (own) => ({ ...own, slot: bobs.slot })],
    [
      'another slot under its id',
      errors.not_authentic,
      ({ slot, ...own }) => ({
        ...own,
        slot: { ...slot, id: bobs.slot.id },
      }),
    ],
    ['no vault', errors.bad_answer, (own) => ({ ...own, vault: null })],
    ['another type', errors.bad_answer, (own) => ({ ...own, key_bundle: { body: 7, signature: [] } })],
    ['bytes that are none', errors.bad_answer, (own) => ({ ...own, slot: { ...own.slot, box: 'ééé' } })],
  ];
  for (const [what, words, told] of lies) {
    const honestly = await lie<SignedIn>(page, 'login/finish', told);
    await there.logIn();
    await expect(page.getByText(words), what).toBeVisible();
    await expect(page.getByRole('button', { name: fr.search.open }), what).toHaveCount(0);
    await honestly();
    await page.reload();
    await expect(page.getByText(words), what).toHaveCount(0);
  }
  await axeFindsNothing(page, 'the log-in');

  type Started = { login: string; response: string };
  // In what proves to the client that the server knows the account.
  const started = await lie<Started>(page, 'login/start', (answer) => ({
    ...answer,
    response: bent(answer.response, 300),
  }));
  await there.logIn();
  await expect(page.getByText(errors.wrong_credentials)).toBeVisible();
  await started();
  // What a password costs is in the program, not in an answer.
  await lie<Started>(page, 'login/start', (answer) => ({
    ...answer,
    ksf: { memory: 8, passes: 1 },
    params: 'x',
  }));
  await page.reload();
  await there.logIn();
  await expect(page.getByRole('button', { name: fr.search.open }).first()).toBeVisible();
});

test('an older vault is an alarm where a later one was seen, and opens by a second log-in only', async ({
  person,
}) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const { page } = alice;
  const { vault: old } = await sessionOf(alice);
  await alice.find(bob);
  await alice.write(bob, 'a pin in the vault');
  await alice.stored(bob, 'a pin in the vault');
  expect((await sessionOf(alice)).vault.version).toBeGreaterThan(old.version);

  const session = await lie<SignedIn>(page, 'session', (answer) => ({ ...answer, vault: old }));
  await page.reload();
  await expect(page.getByText(en.errors.stale_vault)).toBeVisible();
  await axeFindsNothing(page, 'an older vault');
  // Nothing was given up: the server is honest again.
  await session();
  await page.reload();
  await expect(alice.bubble(bob, 'a pin in the vault')).toBeVisible();

  await lie<SignedIn>(page, /\/api\/(session|login\/finish)$/, (answer) => ({ ...answer, vault: old }));
  await page.reload();
  await expect(page.getByText(en.errors.stale_vault)).toBeVisible();
  await alice.logIn();
  await expect(page.getByRole('button', { name: en.logIn.submit })).toBeEnabled();
  await expect(page.getByText(en.errors.stale_vault)).toBeVisible();
  await expect(page.getByRole('button', { name: en.search.open })).toHaveCount(0);
  await alice.logIn();
  await expect(page.getByRole('button', { name: en.search.open }).first()).toBeVisible();
  await page.unrouteAll();
  await page.reload();
  await alice.open(bob);
  await expect(alice.bubble(bob, 'a pin in the vault')).toBeVisible();
});

test('answers that make no sense are said to, and leave what is here as it was', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  await written(bob, alice, ['kept here']);
  const { page } = alice;
  const conversation = openAt(alice);
  const address = `conversations/${conversation}`;
  const nonsense: [string, (answer: Conversation) => unknown][] = [
    ['no numbers', (answer) => ({ ...answer, seq: '12', rev: null })],
    ['a time that is none', (answer) => ({ ...answer, active_at: 1e300 })],
    ['another conversation', (answer) => ({ ...answer, id: crypto.randomUUID() })],
    ['a list', () => []],
  ];
  for (const [what, told] of nonsense) {
    const honestly = await lie<Conversation>(page, address, told);
    await page.reload();
    await expect(page.getByText(en.errors.bad_answer), what).toBeVisible();
    await expect(alice.bubble(bob, 'kept here'), what).toBeVisible();
    await honestly();
  }
  const pages: [string, (history: History) => unknown][] = [
    ['messages that are none', () => ({ messages: [{}] })],
    ['no page', () => ({ messages: 'x'.repeat(5_000_000) })],
    ['the same message for ever', ({ messages }) => ({ messages: [...messages, ...messages] })],
  ];
  for (const [what, told] of pages) {
    const honestly = await lie<History>(page, `${address}/messages?*`, told);
    await bob.write(alice, what);
    await page.reload();
    await bob.write(alice, `${what}, and more`);
    await honestly();
    await page.reload();
    await expect(alice.bubble(bob, `${what}, and more`), what).toHaveCount(1);
    await expect(alice.bubble(bob, what), what).toHaveCount(1);
  }
  await expect(page.getByText(en.errors.bad_answer)).toHaveCount(0);
});

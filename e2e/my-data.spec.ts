import { readFile } from 'node:fs/promises';
import { strFromU8, unzipSync } from 'fflate';
import { en as enWords } from '../web/src/features/my-data/words/en.ts';
import { fr as frWords } from '../web/src/features/my-data/words/fr.ts';
import { axeFindsNothing } from './support/axe.ts';
import { type Person, en, expect, fr, test } from './support/test.ts';

interface Data {
  profile: { handle: string; display_name: string; bio: string };
  people: { handle: string; verified_at: string | null }[];
  settings: Record<string, { value: unknown }>;
  conversations: {
    with: { handle: string };
    messages: {
      seq: number;
      from: string;
      type: string;
      text?: string;
      edited_at?: string;
      earlier?: { text: string }[];
      in_reply_to?: number;
      reactions?: { from: string; emoji: string }[];
    }[];
  }[];
}

const MARKUP = '<b>bold</b> & "quoted" <img src=x onerror=alert(1)>';
const EMOJI = '🥐 from Lyon 👩‍👩‍👧';

async function openSettings({ page, t }: Person): Promise<void> {
  await page.goto('/settings');
  await expect(page.getByRole('heading', { name: t.settings.title, level: 1 })).toBeVisible();
}

for (const [locale, t, words] of [
  ['en-GB', en, enWords],
  ['fr-FR', fr, frWords],
] as const) {
  test(`one takes all that one has here, in a file to read and in one for programs (${locale})`, async ({
    person,
    browserOf,
  }) => {
    const alice = await person('Alice <Martin>', { locale });
    const bob = await person('Bob Nkemelu');
    const { page } = alice;
    await alice.find(bob);
    await alice.write(bob, MARKUP);
    await alice.write(bob, 'first words');
    await alice.stored(bob, 'first words');
    await alice.act(bob, 'first words', 'edit');
    await alice.composer(bob).fill('other words');
    await alice.composer(bob).press('Enter');
    await expect(alice.log(bob).getByText(t.message.edited)).toBeVisible();
    await bob.open(alice);
    await bob.write(alice, EMOJI);
    await expect(alice.bubble(bob, EMOJI)).toBeVisible();
    await (
      await alice.menuOf(bob, EMOJI)
    )
      .getByRole('menuitemradio', { name: t.message.reactWith('❤️') })
      .click();
    await expect(bob.log(alice).getByRole('button', { name: /❤️/ })).toBeVisible();
    await bob.write(alice, 'to be taken back');
    await bob.stored(alice, 'to be taken back');
    await bob.act(alice, 'to be taken back', 'delete');
    await bob.page.getByRole('dialog').getByRole('button', { name: en.message.deleteForBoth }).click();
    await expect(alice.log(bob).getByText(t.thread.instead.deleted)).toBeVisible();
    const pinned = page.waitForResponse(
      (response) => response.request().method() === 'PUT' && response.url().endsWith('/api/vault'),
    );
    await alice.actOnRow(bob, t.list.pin);
    await pinned;

    await openSettings(alice);
    await axeFindsNothing(page, 'settings with my data');
    const sent: string[] = [];
    page.on('request', (request) => {
      if (request.method() !== 'GET') sent.push(`${request.method()} ${request.url()}`);
    });
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: words.section.download }).click();
    const download = await downloading;
    await expect(page.getByText(words.section.done)).toBeVisible();
    expect(sent, 'nothing goes to the server').toEqual([]);

    expect(download.suggestedFilename()).toBe(`${words.section.fileName}-${alice.handle}.zip`);
    const files = unzipSync(await readFile(await download.path()));
    expect(Object.keys(files)).toEqual([`${words.section.fileName}.html`, `${words.section.fileName}.json`]);
    const text = (ending: string) =>
      strFromU8(files[`${words.section.fileName}.${ending}`] ?? new Uint8Array());
    const data = JSON.parse(text('json')) as Data;
    expect(data.profile).toMatchObject({ handle: alice.handle, display_name: 'Alice <Martin>' });
    expect(data.people).toMatchObject([{ handle: bob.handle, verified_at: null }]);
    expect(Object.entries(data.settings).some(([key, { value }]) => key.endsWith('/pinned') && value)).toBe(
      true,
    );
    expect(data.conversations).toHaveLength(1);
    const [conversation] = data.conversations;
    expect(conversation?.with.handle).toBe(bob.handle);
    expect(conversation?.messages).toMatchObject([
      { seq: 1, from: alice.handle, type: 'text', text: MARKUP },
      { seq: 2, from: alice.handle, type: 'text', text: 'other words', earlier: [{ text: 'first words' }] },
      {
        seq: 3,
        from: bob.handle,
        type: 'text',
        text: EMOJI,
        reactions: [{ from: alice.handle, emoji: '❤️' }],
      },
      { seq: 4, from: bob.handle, type: 'deleted' },
    ]);
    expect(conversation?.messages[1]?.edited_at).toBeTruthy();
    expect(conversation?.messages[3]?.text).toBeUndefined();
    expect(text('json')).not.toContain('to be taken back');

    // Read without a network, as the words that they are.
    const reader = await browserOf({ offline: true });
    await reader.setContent(text('html'));
    await expect(reader.getByRole('heading', { level: 1 })).toHaveText(words.page.title('Alice <Martin>'));
    await expect(reader.getByText(MARKUP, { exact: true })).toBeVisible();
    await expect(reader.locator('img, script, b')).toHaveCount(0);
    for (const said of ['other words', EMOJI])
      await expect(reader.getByText(said, { exact: true })).toBeVisible();
    await expect(reader.getByText('first words')).toBeVisible();
    await expect(reader.getByText(`❤️ @${alice.handle}`)).toBeVisible();
    await expect(reader.getByText(words.page.deleted)).toBeVisible();
    await axeFindsNothing(reader, 'the page to read');
  });
}

test('what is being put together can be left', async ({ person }) => {
  const alice = await person('Alice Martin');
  const bob = await person('Bob Nkemelu');
  const { page } = alice;
  await alice.find(bob);
  await alice.write(bob, 'one message');
  await alice.stored(bob, 'one message');
  await openSettings(alice);
  let go = () => {};
  const held = new Promise<void>((resolve) => (go = resolve));
  await page.route('**/api/conversations/*/messages?**', async (route) => {
    await held;
    await route.continue();
  });
  let downloaded = false;
  page.on('download', () => (downloaded = true));
  await page.getByRole('button', { name: enWords.section.download }).click();
  await expect(page.getByText(enWords.section.progress('0', '1'))).toBeVisible();
  await page.getByRole('button', { name: en.app.cancel }).click();
  go();
  await expect(page.getByText(enWords.section.cancelled)).toBeVisible();
  expect(downloaded).toBe(false);
  await expect(page.getByRole('button', { name: enWords.section.download })).toBeVisible();
});

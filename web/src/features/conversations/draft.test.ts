// @vitest-environment happy-dom
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Problem } from '../../lib/problem';
import { Storage } from '../../lib/storage';
import type { Vault } from '../../lib/vault';
import type { Conversation as Record } from '../../lib/api/types';
import { textOf } from './content';
import { Conversation } from './conversation.svelte';
import { Draft, openDrafts } from './draft.svelte';
import type { Tools } from './tools';

let number = 0;
let tabs: Tab[];

/** Seals by writing the label in front, and opens what has the right one. */
const vault = {
  sealText: (label: string, text: string) => Promise.resolve(`${label}|${text}`),
  openTexts: (kept: { label: string; sealed: string }[]) =>
    Promise.resolve(
      kept.map(({ label, sealed }) =>
        sealed.startsWith(`${label}|`)
          ? { text: sealed.slice(label.length + 1) }
          : { error: 'not_authentic' },
      ),
    ),
} as unknown as Vault;

/** A window of the browser: its own memory, the same database, and word from the others. */
class Tab {
  readonly storage = new Storage(`drafts-${number}`);
  readonly told: string[] = [];
  readonly tools = {
    me: 'me',
    vault,
    storage: this.storage,
    draftKept: (conversation: string) => {
      this.told.push(conversation);
      for (const tab of tabs) if (tab !== this) void tab.draft.changedElsewhere();
    },
  } as unknown as Tools;
  readonly draft = new Draft(this.tools, 'c');
}

beforeEach(() => {
  number += 1;
  tabs = [];
  tabs.push(new Tab(), new Tab());
});

afterEach(() => {
  for (const { draft, storage } of tabs) {
    draft.stop();
    storage.close();
  }
  vi.restoreAllMocks();
});

const kept = async ({ tools }: Tab) => (await openDrafts(tools, await tools.storage.drafts()))[0]?.[1];

it('is kept, and comes to the other window, but not over what is typed there', async () => {
  const [here, there] = tabs as [Tab, Tab];
  here.draft.text = 'from here';
  await expect.poll(() => there.draft.text).toBe('from here');
  there.draft.text = 'from there';
  here.draft.text = 'later, from here';
  // Each has the word in its own window while one types, and whoever typed last has it in the end.
  expect(there.draft.text).toBe('from there');
  await expect.poll(() => here.told.length).toBe(2);
  expect(there.draft.text).toBe('from there');
  await expect.poll(() => there.draft.text, { timeout: 3_000 }).toBe(here.draft.text);
  expect((await kept(here))?.text).toBe(here.draft.text);
});

it('does not come back when what was being sealed has been sent meanwhile', async () => {
  const [here] = tabs as [Tab, Tab];
  let sealed: () => void = () => undefined;
  const slow = new Promise<void>((resolve) => (sealed = resolve));
  const seal = vi.spyOn(vault, 'sealText').mockImplementationOnce(async (label, text) => {
    await slow;
    return `${label}|${text}`;
  });
  here.draft.text = 'sent';
  here.draft.keepNow();
  expect(seal).toHaveBeenCalled();
  expect(here.draft.take().text).toBe('sent');
  sealed();
  await slow;
  here.draft.text = 'next';
  await expect.poll(() => here.told.length).toBe(1);
  expect((await kept(here))?.text).toBe('next');
});

it('takes up a refused message, and what was there before waits for it', () => {
  const { draft } = tabs[0]!;
  draft.text = 'half a thought';
  draft.takeUp({ replaces: 'one' }, textOf('refused'));
  draft.takeUp({ replaces: 'two' }, textOf('refused as well'));
  expect([draft.text, draft.replaces]).toEqual(['refused as well', 'two']);
  draft.layDown();
  expect([draft.text, draft.replaces]).toEqual(['half a thought', null]);

  draft.takeUp({ replaces: 'one' }, textOf('refused'));
  draft.text = 'mended';
  expect(draft.take()).toMatchObject({ text: 'mended', replaces: 'one' });
  expect([draft.text, draft.replaces]).toEqual(['half a thought', null]);
});

it('loses no word when the refused message is gone by another window', () => {
  const { draft } = tabs[0]!;
  draft.text = 'half a thought';
  draft.takeUp({ replaces: 'one' }, textOf('refused'));
  draft.text = 'mended';
  draft.release();
  expect([draft.text, draft.replaces]).toEqual(['mended\nhalf a thought', null]);
});

it('takes in words that have no other place, after its own and beside a message that was taken up', async () => {
  const { draft } = tabs[0]!;
  draft.text = 'half a thought';
  await draft.add('and another');
  expect((await kept(tabs[0]!))?.text).toBe('half a thought\nand another');
  draft.takeUp({ edits: 'one' }, textOf('sent'));
  await draft.add('a third');
  expect(draft.text).toBe('sent');
  draft.layDown();
  expect(draft.text).toBe('half a thought\nand another\na third');
});

/** A conversation whose outbox answers as it is told. */
function written(replace: () => Promise<void>) {
  const tab = tabs[0]!;
  const outbox = { add: vi.fn(replace), replace: vi.fn(replace), remove: vi.fn(() => Promise.resolve()) };
  const conversation = new Conversation(
    { ...tab.tools, outbox, attendance: { wrote: vi.fn() } } as unknown as Tools,
    { id: 'c', seq: 0, rev: 0, mine: {}, theirs: {} } as unknown as Record,
  );
  return { conversation, outbox };
}

it('has the words back when they could not be kept, before what was typed since', async () => {
  const { conversation } = written(() => Promise.reject(new Problem('not_kept')));
  conversation.draft.text = 'first';
  const sent = conversation.send('first');
  expect([conversation.draft.text, conversation.pending.length]).toEqual(['', 1]);
  conversation.draft.text = 'second';
  await expect(sent).rejects.toMatchObject({ code: 'not_kept' });
  expect([conversation.draft.text, conversation.pending.length]).toEqual(['first\nsecond', 0]);
  conversation.draft.stop();
});

it('leaves words that were passed on what they are when they are edited', async () => {
  const { conversation } = written(() => Promise.resolve());
  conversation.history.shown = [
    {
      message: { id: 'm', seq: 1, sender: 'me' } as never,
      content: textOf('passed on', null, true),
      reactions: [],
    },
  ];
  conversation.edit('m');
  expect(conversation.draft.text).toBe('passed on');
  await conversation.send('passed on, mended');
  expect(conversation.queue.changes[0]).toMatchObject({
    about: { kind: 'edit', target: 'm' },
    content: { type: 'text', body: 'passed on, mended', forwarded: true },
  });
  // What is written next is not.
  await conversation.send('my own');
  expect(conversation.pending[0]?.content).toEqual(textOf('my own'));
  conversation.draft.stop();
});

it('is a draft like any other when another window was quicker with the refused message', async () => {
  const { conversation, outbox } = written(() => Promise.reject(new Problem('not_waiting')));
  conversation.draft.takeUp({ replaces: 'one' }, textOf('mended'));
  await expect(conversation.send('mended')).rejects.toMatchObject({ code: 'not_waiting' });
  expect(outbox.replace).toHaveBeenCalledWith('one', expect.anything(), expect.anything());
  expect([conversation.draft.text, conversation.draft.replaces]).toEqual(['mended', null]);
  conversation.draft.stop();
});

it('what counts as refused and is in the thread all the same does not look unsent', async () => {
  const { conversation, outbox } = written(() => Promise.resolve());
  const refused = { conversation: 'c', envelope: null, written_at: 1, refused: 'message_id_reused' };
  for (const id of ['there', 'not there']) {
    await tabs[0]!.storage.enqueue({ ...refused, id, sealed: `outbox/${id}|{"type":"text","body":""}` });
  }
  conversation.history.shown = [
    { message: { id: 'there', seq: 1 } as never, content: textOf(''), reactions: [] },
  ];
  await conversation.queueChanged();
  expect(outbox.remove).toHaveBeenCalledExactlyOnceWith('c', 'there');
});

it('has the words of a refused edit again, which then waits no more', async () => {
  const { conversation, outbox } = written(() => Promise.resolve());
  const edit = {
    id: 'e',
    about: { kind: 'edit', target: 'm' },
    emoji: null,
    refused: 'too_many_edits',
  } as const;
  conversation.queue.changes = [{ ...edit, content: textOf('mended') }];
  await conversation.takeBack('e');
  expect(conversation.draft.text).toBe('mended');
  expect(conversation.draft.edits).toBeNull();
  expect((await kept(tabs[0]!))?.text).toBe('mended');
  expect(outbox.remove).toHaveBeenCalledExactlyOnceWith('c', 'e');
  conversation.draft.stop();
});

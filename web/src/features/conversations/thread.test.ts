// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { en } from '../../i18n/en';
import type { Preferences } from '../../lib/preferences.svelte';
import { Problem } from '../../lib/problem';
import type { Content } from './content';
import type { Conversation } from './conversation.svelte';
import { ThreadState } from './thread.svelte';
import type { Shown } from './timeline';

const shown = (seq: number, sender: string, type: 'text' | 'expired' | 'deleted' = 'text') =>
  ({
    message: { id: `m${seq}`, seq, sender },
    content: { type, body: '' } as Content,
    reactions: [],
  }) as unknown as Shown;

/** What the list of messages draws, and what is fetched around a place. */
let drawn: Shown[];
const around = vi.fn();
const find = vi.fn();
const history = {
  get shown() {
    return drawn;
  },
  inOrder: (work: () => Promise<void>) => work(),
  loadAround: around,
  loadNewer: vi.fn(() => Promise.resolve()),
};
const conversation = { find, history } as unknown as Conversation;
const went: number[] = [];

function open() {
  const thread = new ThreadState(conversation, 'me', {} as Preferences);
  thread.scrollTo = (seq) => {
    const there = drawn.some(({ message, content }) => message.seq === seq && content.type !== 'expired');
    if (there) went.push(seq);
    return there;
  };
  return thread;
}

beforeEach(() => {
  went.length = 0;
  drawn = [shown(50, 'me')];
  find.mockReset();
  around.mockReset().mockImplementation(() => Promise.resolve());
  history.loadNewer.mockReset().mockResolvedValue(undefined);
});

describe('a quote', () => {
  const reply = { id: 'm3', seq: 3 };

  it('leads to its original', async () => {
    find.mockResolvedValue(shown(3, 'them'));
    around.mockImplementation(() => Promise.resolve((drawn = [shown(3, 'them')])));
    const thread = open();
    await thread.follow(reply);
    expect(went).toEqual([3]);
    expect(thread.told).toBeNull();
  });

  it('whose original is gone leaves the thread as it is, and says so', async () => {
    for (const found of [null, shown(3, 'them', 'expired')]) {
      find.mockResolvedValue(found);
      const thread = open();
      await thread.follow(reply);
      expect(thread.told?.words).toBe(en.message.quoteGone);
    }
    find.mockRejectedValue(new Problem('offline'));
    const thread = open();
    await thread.follow(reply);
    expect(thread.told?.words).toBe(en.errors.offline);
    expect(around).not.toHaveBeenCalled();
    expect(went).toEqual([]);
  });
});

describe('the first unread message', () => {
  it('is the first of the other that is shown after what was read', async () => {
    around.mockImplementation(() =>
      Promise.resolve(
        (drawn = [shown(7, 'them'), shown(8, 'me'), shown(9, 'them', 'expired'), shown(10, 'them')]),
      ),
    );
    expect(await open().jumpPast(7)).toBe(true);
    expect(around).toHaveBeenNthCalledWith(1, 8);
    expect(went).toEqual([10]);
  });

  it('may stand behind many that have disappeared', async () => {
    around.mockImplementationOnce(() => Promise.resolve((drawn = [shown(8, 'them', 'expired')])));
    history.loadNewer.mockImplementationOnce(() =>
      Promise.resolve(void (drawn = [...drawn, shown(9, 'them')])),
    );
    expect(await open().jumpPast(7)).toBe(true);
    expect(went).toEqual([9]);
  });

  it('is none where there is none', async () => {
    expect(await open().jumpPast(50)).toBe(false);
    expect(went).toEqual([]);
  });
});

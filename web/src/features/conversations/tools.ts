/** What the state of conversations works with, handed in by the session. */
import type { Conversation as Record, Message } from '../../lib/api/types';
import type { Attendance } from '../../lib/attendance';
import { clock } from '../../lib/clock';
import type { Keys } from '../../lib/keys';
import type { Outbox } from '../../lib/outbox';
import type { Preferences } from '../../lib/preferences.svelte';
import { Problem } from '../../lib/problem';
import type { Receipts } from '../../lib/receipts';
import type { Storage } from '../../lib/storage';
import { unopened } from '../../lib/trouble';
import type { Trust } from '../../lib/trust.svelte';
import type { Vault } from '../../lib/vault';
import type { OpenedMessage } from '../../lib/vault.calls';
import { contentOf, emojiOf, type Content } from './content';
import type { Notices } from './notices.svelte';
import { hasDisappeared, withoutLost, type Shown } from './timeline';

export interface Tools {
  /** One's own account id. */
  me: string;
  /** When one began anew, with nothing from before; 0 if never. */
  renewedAt: () => number;
  vault: Vault;
  keys: Keys;
  trust: Trust;
  storage: Storage;
  outbox: Outbox;
  receipts: Receipts;
  preferences: Preferences;
  notices: Pick<Notices, 'tell'>;
  attendance: Attendance;
  /** For the other tabs. */
  draftKept: (conversation: string) => void;
}

/**
 * Opens messages of any conversations in one crossing to the worker. A missing
 * epoch (the other person, or another browser of mine, made it) is fetched and
 * the rest tried once more. Throws only when the network failed.
 */
export async function openMessages(
  tools: Pick<Tools, 'keys' | 'vault' | 'renewedAt'>,
  messages: Message[],
  recordOf: (conversation: string) => Record | undefined,
): Promise<Shown[]> {
  if (messages.length === 0) return [];
  await tools.keys.loadKeyring();
  const opened = await tools.vault.openAll(messages);
  const missing = messages.filter((_, at) => isMissing(opened[at]));
  if (missing.length > 0) {
    for (const id of new Set(missing.map((message) => message.conversation))) {
      const record = recordOf(id);
      if (record) await healOrExplain(tools, record);
    }
    const again = await tools.vault.openAll(missing);
    missing.forEach((message, at) => (opened[messages.indexOf(message)] = again[at] as OpenedMessage));
  }
  const shown = messages.map((message, at) => shownOf(message, opened[at] as OpenedMessage));
  for (const { message, content } of shown) if (isTrouble(content)) unopened(message.id);
  return withoutLost(shown, tools.renewedAt());
}

/** That another identity is still to be accepted is said in the thread, and is nobody's fault. */
const isTrouble = (content: Content) =>
  content.type === 'unreadable' && content.reason !== 'identity_changed';

const isMissing = (opened: OpenedMessage | undefined) =>
  [opened?.words, ...(opened?.reactions ?? [])].some(
    (each) => each && 'error' in each && each.error === 'unknown_epoch',
  );

function shownOf(message: Message, { words, reactions }: OpenedMessage): Shown {
  return {
    message,
    content: words ? contentOf(words) : { type: whyNothing(message) },
    reactions: (message.reactions ?? []).flatMap(({ sender }, at) => {
      const emoji = reactions[at] && emojiOf(reactions[at]);
      return emoji ? [{ sender, emoji }] : [];
    }),
  };
}

function whyNothing(message: Message): 'hidden' | 'expired' | 'deleted' {
  if (message.hidden) return 'hidden';
  return hasDisappeared(message, clock.now()) ? 'expired' : 'deleted';
}

/** What the keys of a conversation lack is fetched; what cannot be mended shows in the messages themselves. */
export async function healOrExplain({ keys }: { keys: Pick<Keys, 'heal'> }, record: Record): Promise<void> {
  try {
    await keys.heal(record);
  } catch (thrown) {
    const problem = Problem.from(thrown);
    // Without the network nothing can be said yet; all else shows in the message itself.
    if (problem.code === 'offline' || problem.status >= 500 || problem.status === 401) throw problem;
  }
}

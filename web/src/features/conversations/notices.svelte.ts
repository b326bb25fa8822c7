/**
 * Notice of what comes while one does not look: a notification of the browser, a soft sound. One tab of a browser
 * speaks for all of them, and none while any of them is attended to.
 */
import { createSubscriber } from 'svelte/reactivity';
import { t } from '../../i18n/index.svelte';
import { isQuiet, type Preferences } from '../../lib/preferences.svelte';
import { organisation } from '../../lib/organisation.svelte';
import { router } from '../../router.svelte';
import { attended } from './attention';
import type { Content } from './content';
import type { Conversation } from './conversation.svelte';
import { inWords } from './preview';

/** What was decided for this browser; nothing before one was asked. */
const DECIDED = 'notices';
const ATTENDED = 'attended';
/** The same message is heard of in all tabs within this time. */
const SAME_NEWS = 5_000;

export type Permission = 'unsupported' | 'denied' | 'off' | 'on';

export class Notices {
  /** A moment to ask whether one wants to be told. */
  asking = $state(false);

  private decided = $state(localStorage.getItem(DECIDED));
  private readonly shown = new Map<string, Notification>();
  private audio: AudioContext | null = null;
  private readonly end: () => void;
  private readonly permissionChanges = createSubscriber((update) => {
    let status: PermissionStatus | undefined;
    void navigator.permissions?.query({ name: 'notifications' }).then((found) => {
      status = found;
      status.onchange = update;
    }, ignored);
    return () => {
      if (status) status.onchange = null;
    };
  });

  constructor(private readonly preferences: Preferences) {
    this.end = $effect.root(() => {
      $effect(() => {
        if (!attended()) return;
        this.closeAll();
        return holdUntilEnd(ATTENDED);
      });
    });
  }

  get permission(): Permission {
    this.permissionChanges();
    if (typeof Notification === 'undefined') return 'unsupported';
    if (Notification.permission === 'denied') return 'denied';
    return Notification.permission === 'granted' && this.decided === 'on' ? 'on' : 'off';
  }

  /** One has written to somebody, and will want to know of the answer. */
  sensibleMoment(): void {
    this.asking = this.permission === 'off' && this.decided === null;
  }

  async decide(on: boolean): Promise<void> {
    this.asking = false;
    if (on && Notification.permission === 'default') await Notification.requestPermission();
    this.decided = on ? 'on' : 'off';
    localStorage.setItem(DECIDED, this.decided);
  }

  async tell(conversation: Conversation, message: string, content: Content): Promise<void> {
    const wishes = this.preferences.notices;
    if (conversation.muted || isQuiet(wishes.quiet, new Date())) return;
    const { route } = router;
    const here = route.page === 'conversations' && route.conversation === conversation.id;
    if (attended() && here) return;
    if (!(await isFirst(message))) return;
    if (wishes.sound) this.sound();
    if (this.permission !== 'on' || (await isAttendedElsewhere())) return;
    this.show(conversation, wishes.words ? inWords(content) : t.notices.newMessage, wishes.words);
  }

  private show({ id, peer }: Conversation, body: string, named: boolean): void {
    try {
      const notification = new Notification(named ? peer.display_name : organisation.name, {
        body,
        tag: id,
        icon: '/favicon.svg',
        silent: true,
      });
      this.shown.set(id, notification);
      notification.onclick = () => {
        notification.close();
        window.focus();
        router.go({ page: 'conversations', conversation: id });
      };
    } catch {
      // Some phones let only an installed application do this.
    }
  }

  /** Two soft tones, one above the other. Before one has touched the page, browsers keep it silent. */
  private sound(): void {
    try {
      this.audio ??= new AudioContext();
      const { audio } = this;
      void audio.resume().catch(ignored);
      [587, 880].forEach((frequency, at) => {
        const begins = audio.currentTime + at * 0.11;
        const tone = new OscillatorNode(audio, { frequency });
        const volume = new GainNode(audio, { gain: 0 });
        volume.gain.setValueAtTime(0, begins);
        volume.gain.linearRampToValueAtTime(0.06, begins + 0.02);
        volume.gain.exponentialRampToValueAtTime(0.0001, begins + 0.35);
        tone.connect(volume).connect(audio.destination);
        tone.start(begins);
        tone.stop(begins + 0.4);
      });
    } catch {
      // No sound here.
    }
  }

  private closeAll(): void {
    for (const notification of this.shown.values()) notification.close();
    this.shown.clear();
  }

  stop(): void {
    this.end();
    this.closeAll();
    void this.audio?.close().catch(ignored);
  }
}

/** What another account decides here is its own affair. */
export function forgetNotices(): void {
  localStorage.removeItem(DECIDED);
}

/** Of all tabs, the one that asks first. */
function isFirst(message: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = navigator.locks.request(`notice/${message}`, { ifAvailable: true }, async (lock) => {
      resolve(lock !== null);
      if (lock) await new Promise((over) => setTimeout(over, SAME_NEWS));
    });
    asked.catch(() => resolve(true));
  });
}

async function isAttendedElsewhere(): Promise<boolean> {
  if (attended()) return true;
  const { held = [] } = await navigator.locks.query();
  return held.some(({ name }) => name === ATTENDED);
}

function holdUntilEnd(name: string): () => void {
  let end = ignored;
  const ended = new Promise<void>((resolve) => (end = resolve));
  void navigator.locks.request(name, { mode: 'shared' }, () => ended).catch(ignored);
  return () => end();
}

const ignored = (): void => undefined;

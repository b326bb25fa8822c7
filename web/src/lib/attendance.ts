/**
 * What the server is told of this moment: that somebody is here, that they type, and whose presence they look at. Over
 * the socket in frames; where there is none, by requests, again and again. Nothing is told that the person hides.
 */
import { untrack } from 'svelte';
import { api } from './api/client';
import type { Presence, Privacy } from './api/types';
import type { Live } from './live';

/** A page that nobody has used for so long shows nobody. */
const IDLE = 5 * 60_000;
const TYPING_EVERY = 3_000;
/** Half the time that the server takes such a word for. */
const ASK_EVERY = 30_000;
const SIGNS_OF_LIFE = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'focus'];

export interface Seen {
  /** What the person shares. */
  privacy(): Privacy;
  /** What is to be seen of the other person of a conversation, as asked without a socket. */
  presence(conversation: string, presence: Presence): void;
}

export class Attendance {
  private watched: string | null = null;
  /** What this line was told last. */
  private told = false;
  private isHere = false;
  private usedAt = Date.now();
  private idle: ReturnType<typeof setTimeout> | undefined;
  private asking: ReturnType<typeof setInterval> | undefined;
  private readonly typedAt = new Map<string, number>();
  private readonly leaving = new AbortController();

  constructor(
    private readonly live: Pick<Live, 'open' | 'twoWay' | 'post'>,
    private readonly seen: Seen,
  ) {
    if (typeof window === 'undefined') return;
    const { signal } = this.leaving;
    // An effect that moves the focus is in the middle of its run: what is read here is not its own.
    const used = () => untrack(() => this.used());
    for (const sign of SIGNS_OF_LIFE) addEventListener(sign, used, { signal, passive: true, capture: true });
    document.addEventListener('visibilitychange', used, { signal });
    this.look();
  }

  /** A line is open, which knows nothing of the one before. */
  ready(): void {
    clearInterval(this.asking);
    this.told = false;
    this.say();
    if (!this.live.twoWay) this.asking = setInterval(() => this.ask(), ASK_EVERY);
    else if (this.watched) this.live.post({ type: 'watch', conversation: this.watched });
    this.ask();
  }

  /** The thread of this conversation is open here. */
  watch(conversation: string): void {
    this.watched = conversation;
    this.live.post({ type: 'watch', conversation });
    this.ask();
  }

  /** It no longer is; another one may be already. */
  unwatch(conversation: string): void {
    if (this.watched !== conversation) return;
    this.watched = null;
    this.live.post({ type: 'watch', conversation: null });
  }

  type(conversation: string): void {
    const now = Date.now();
    if (!this.seen.privacy().typing || !this.live.open) return;
    if (now - (this.typedAt.get(conversation) ?? -Infinity) < TYPING_EVERY) return;
    this.typedAt.set(conversation, now);
    if (!this.live.post({ type: 'typing', conversation })) void api.typing(conversation).catch(ignored);
  }

  /** What was typed is sent, and shows no longer that it is being typed: what is typed next is news. */
  wrote(conversation: string): void {
    this.typedAt.delete(conversation);
  }

  privacyChanged(): void {
    this.say();
    this.ask();
  }

  stop(): void {
    this.leaving.abort();
    clearTimeout(this.idle);
    clearInterval(this.asking);
  }

  private used(): void {
    this.usedAt = Date.now();
    this.look();
  }

  private look(): void {
    const wasHere = this.isHere;
    const left = this.usedAt + IDLE - Date.now();
    this.isHere = !document.hidden && left > 0;
    // One timer for thousands of signs.
    if (this.isHere) this.idle ??= setTimeout(() => ((this.idle = undefined), this.look()), left);
    this.say();
    if (this.isHere && !wasHere) this.ask();
  }

  private say(): void {
    const attending = this.isHere && this.seen.privacy().presence;
    if (attending === this.told || !this.live.twoWay) return;
    this.told = attending;
    this.live.post({ type: 'attending', attending });
  }

  private ask(): void {
    if (this.live.twoWay || !this.live.open || !this.isHere) return;
    if (this.seen.privacy().presence) void api.attending().catch(ignored);
    const { watched } = this;
    if (watched === null) return;
    const asked = api.presence(watched);
    void asked.then((presence) => this.seen.presence(watched, presence), ignored);
  }
}

/** It is of this moment: the next word tells the next one. */
const ignored = () => undefined;

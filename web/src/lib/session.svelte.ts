/** Who is signed in here, from the first page to the log-out. */
import { SvelteMap } from 'svelte/reactivity';
import type { Conversations } from '../features/conversations/conversations.svelte';
import { forgetNotices, type Notices } from '../features/conversations/notices.svelte';
import type { Scheduled } from '../features/conversations/scheduled.svelte';
import type { MyData } from '../features/my-data/my-data.svelte';
import type { Indexer } from '../features/search/indexer.svelte';
import { forgetHabits } from '../features/emoji/habits';
import { api } from './api/client';
import type { Me, Person, Privacy, SignedIn } from './api/types';
import { clock } from './clock';
import { Credentials } from './credentials';
import { Desk, type Word as DeskWord } from './desk';
import { invitation } from './invitation.svelte';
import { backOff, type Connection } from './live';
import { organisation } from './organisation.svelte';
import { passing } from './outbox';
import type { Preferences } from './preferences.svelte';
import { language } from '../i18n/index.svelte';
import { Problem } from './problem';
import { forgetLogIns, type Sessions } from './sessions.svelte';
import { Storage, ownerOf } from './storage';
import type { Trust } from './trust.svelte';
import { vault, warmUp } from './vault';

/** What the tabs of one browser tell each other. */
type Word = { type: 'signed-out' } | { type: 'signed-in'; session: string } | DeskWord;

const isOfDesk = (word: Word): word is DeskWord => word.type !== 'signed-out' && word.type !== 'signed-in';

/** A log-in whose password was good, and what it waits for; after a wrong answer for another one. */
export interface Pending {
  /** There is an app that makes codes. A backup code is good in any case. */
  app: boolean;
  /** There is a passkey that can be used here. */
  passkey: boolean;
  name(code: string): Promise<void>;
  usePasskey(): Promise<void>;
}

/** What passkeys need; fetched with their first use. */
const wayIn = () =>
  import('../features/passkeys/way-in').catch((thrown: unknown) => {
    throw new Problem('offline', 0, String(thrown));
  });

const LOG_OUT_DUE = 'log-out-due';

export class Session {
  phase: 'starting' | 'signed-out' | 'signed-in' = $state('starting');
  me: Me | null = $state.raw(null);
  connection: Connection = $state('online');
  /** Why the log-in page stands there, when it was not the person's wish: a problem's code. */
  notice: string | null = $state(null);

  private desk: Desk | null = $state.raw(null);
  /** What the server does not know of yet: a new account, or one whose recovery code has opened it here. */
  private begun: ((setupCode?: string) => Promise<SignedIn>) | null = null;
  /** The one that is open here. */
  private session: string | null = null;
  private signedInElsewhere = false;
  /** The cookie is of a session that nothing here can open any more. */
  private orphaned = false;
  private readonly profiles = new SvelteMap<string, Person>();
  private readonly storage = new Storage();
  private readonly tabs = new BroadcastChannel('entrenous');

  readonly credentials = new Credentials(
    () => this.me?.handle ?? '',
    ({ secured_at }) => this.secured(secured_at),
    (factor) => this.sessions.changedSecondFactor(factor),
  );

  constructor() {
    this.tabs.onmessage = ({ data }: MessageEvent<Word>) => this.heard(data);
    api.onSignedOut(() => this.over());
  }

  /** Only while signed in. */
  get conversations(): Conversations {
    if (!this.desk) throw new Problem('signed_out', 401);
    return this.desk.conversations;
  }

  get notices(): Notices {
    if (!this.desk) throw new Problem('signed_out', 401);
    return this.desk.notices;
  }

  get sessions(): Sessions {
    if (!this.desk) throw new Problem('signed_out', 401);
    return this.desk.sessions;
  }

  get scheduled(): Scheduled {
    if (!this.desk) throw new Problem('signed_out', 401);
    return this.desk.scheduled;
  }

  get trust(): Trust {
    if (!this.desk) throw new Problem('signed_out', 401);
    return this.desk.trust;
  }

  get preferences(): Preferences {
    if (!this.desk) throw new Problem('signed_out', 401);
    return this.desk.preferences;
  }

  /** The search in messages; its code comes with its first use. */
  async indexer(): Promise<Indexer> {
    if (!this.desk) throw new Problem('signed_out', 401);
    return this.desk.indexer();
  }

  async myData(): Promise<MyData> {
    if (!this.desk) throw new Problem('signed_out', 401);
    return this.desk.myData();
  }

  warmUp(): void {
    warmUp();
  }

  /** As it was before the reload, without the password; without an answer of the server it waits for one. */
  async start(): Promise<void> {
    await this.endWhatIsDue();
    if (!(await this.storage.reloadSecret().catch(() => undefined))) {
      this.phase = 'signed-out';
      return this.noticeLoss();
    }
    warmUp();
    try {
      const signedIn = await this.patiently(() => this.reopen());
      if (signedIn) await this.settleAgain(signedIn);
      else await this.over();
    } catch (thrown) {
      const { code, status } = Problem.from(thrown);
      if (status === 401) return this.over();
      // What keeps the keys closed may pass with a reload: what opens them stays.
      this.notice = code;
      this.phase = 'signed-out';
    }
  }

  private async reopen(): Promise<SignedIn | null> {
    // Before the answer: meanwhile another tab may write a later one.
    const seen = await vault.seenVault();
    const signedIn = await api.session();
    return (await vault.reopen(account(signedIn), seen)) ? signedIn : null;
  }

  /** A session that stands without what opens it: the browser has cleared its storage, which the person should know. */
  private async noticeLoss(): Promise<void> {
    if (localStorage.getItem(LOG_OUT_DUE)) return;
    const stands = await api.session().then(
      () => true,
      () => false,
    );
    if (!stands || this.phase !== 'signed-out' || this.begun) return;
    this.orphaned = true;
    this.notice = 'storage_lost';
  }

  // Ways in

  /** Makes the keys and returns the recovery code; the server stores nothing yet. */
  async prepareSignUp(f: { handle: string; displayName: string; password: string }): Promise<string> {
    const { token } = invitation;
    const invited = token ? { invitation: token } : {};
    const request = await vault.startRegistration(f.password);
    const { account, response } = await api.registerStart({ handle: f.handle, request, ...invited });
    const made = await vault.finishRegistration(request, f.handle, account, response, clock.now());
    const finish = {
      account,
      display_name: f.displayName,
      language: language.code,
      ...made.material,
      ...invited,
    };
    this.begun = (setupCode) =>
      api.registerFinish({ ...finish, ...(setupCode && { setup_code: setupCode }) });
    return made.recoveryCode;
  }

  /** Opens the account by its recovery code, and returns the next one; the server changes nothing yet. */
  async prepareRecovery(f: { handle: string; code: string; password: string }) {
    const { handle } = f;
    const proof = await vault.recoveryProof(f.code, handle);
    const request = await vault.startRegistration(f.password);
    const started = await api.recoveryStart({ handle, proof, request });
    const { response, second_factor: secondFactor, passkeys, ...account } = started;
    const made = await vault.prepareRecovery(request, f.code, { ...account, handle }, response, clock.now());
    const { password } = made;
    const { code, ...recovery } = made.recovery;
    this.begun = () => api.recoveryFinish({ handle, proof, password, recovery });
    return { code, secondFactor, passkeys };
  }

  /** Makes another identity for the account that a link is for, and returns its recovery code; the server changes nothing yet. */
  async prepareReset(token: string, password: string): Promise<string> {
    const request = await vault.startRegistration(password);
    const { person, response, key_bundle, vault_version } = await api.resetStart({ token, request });
    if (!response) throw new Problem('bad_opaque');
    const { id, handle } = person;
    const before = { id, handle, key_bundle, vault_version };
    const made = await vault.finishAnew(request, before, response, clock.now());
    this.begun = () => api.resetFinish({ token, ...made.material });
    return made.recoveryCode;
  }

  /** The page was left before the server knew. */
  abandon(): void {
    if (this.begun) void vault.dropPrepared().catch(() => undefined);
    this.begun = null;
    if (!this.signedInElsewhere) return;
    this.signedInElsewhere = false;
    if (this.phase === 'signed-out') void this.start();
  }

  /** What `prepareSignUp`, `prepareRecovery` or `prepareReset` has begun. */
  async finish({ setupCode }: { setupCode?: string } = {}): Promise<void> {
    if (!this.begun) throw new Problem('bad_opaque');
    await this.endWhatIsDue();
    const signedIn = await this.begun(setupCode);
    await vault.adoptPrepared();
    await this.settle(signedIn);
  }

  /** Signed in; or, where there is a second factor, what answers for it. */
  async logIn(handle: string, password: string): Promise<Pending | null> {
    await this.endWhatIsDue();
    const seen = await vault.seenVault();
    const request = await vault.startLogin(password);
    const { login, response } = await api.loginStart({ handle, request });
    const finalization = await vault.finishLogin(request, handle, response);
    const answer = await api.loginFinish({ login, finalization });
    const letIn = (signedIn: SignedIn) =>
      this.letIn(signedIn, (locked) => vault.unlock(request, locked, seen));
    if ('login' in answer) {
      const { login, app, passkey } = answer;
      return {
        app,
        passkey: passkey && organisation.hasPasskeys,
        name: async (code) => letIn(await api.loginCode({ login, code })),
        usePasskey: async () => letIn(await (await wayIn()).beside(login)),
      };
    }
    await letIn(answer);
    return null;
  }

  /** Without the password. */
  async logInWithPasskey(): Promise<void> {
    await this.endWhatIsDue();
    warmUp();
    const seen = await vault.seenVault();
    const { signedIn, output } = await (await wayIn()).alone();
    try {
      await this.letIn(signedIn, (locked) => vault.unlockWithPasskey(output, locked, seen));
    } finally {
      output.fill(0);
    }
  }

  private async letIn(signedIn: SignedIn, unlock: (locked: Locked) => Promise<void>): Promise<void> {
    try {
      await unlock({ ...account(signedIn), slot: signedIn.slot });
    } catch (thrown) {
      // Keys that do not fit are an alarm: nobody is signed in with them.
      await this.logOutAtTheServer();
      throw thrown;
    }
    await this.settle(signedIn);
  }

  private async settle(signedIn: SignedIn): Promise<void> {
    this.begun = null;
    // The cookie is the new session's from here on: what is still due must never end this one.
    localStorage.removeItem(LOG_OUT_DUE);
    // A browser that keeps nothing (private windows of some) can still be used until the reload.
    await this.storage.belongTo(ownerOf(signedIn.me)).catch(() => undefined);
    await vault.noteVault().catch(() => undefined);
    await vault.keep(signedIn.session, signedIn.share).catch(() => undefined);
    await this.storage.reloadSecret().catch(() => undefined);
    this.enter(signedIn);
    this.tell({ type: 'signed-in', session: signedIn.session });
  }

  private async settleAgain(signedIn: SignedIn): Promise<void> {
    await this.storage.belongTo(ownerOf(signedIn.me)).catch(() => undefined);
    await vault.noteVault().catch(() => undefined);
    this.enter(signedIn);
  }

  private enter({ me, session }: SignedIn): void {
    this.leave();
    this.me = me;
    this.session = session;
    this.notice = null;
    this.orphaned = false;
    this.desk = new Desk(
      () => this.me ?? me,
      this.storage,
      () => this.connection === 'online',
      {
        connection: (state) => (this.connection = state),
        ended: () => void this.over(),
        profile: (person) => this.profileChanged(person),
        ready: () => void this.refreshPrivacy().catch(() => undefined),
        privacy: (privacy) => this.privacyChanged(privacy),
        secured: (secured_at) => this.secured(secured_at),
        erasure: (erase_at) => this.erasureChanged(erase_at),
        tabs: (word) => this.tell(word),
      },
    );
    this.phase = 'signed-in';
    void this.desk.start();
  }

  private profileChanged(person: Person): void {
    this.profiles.set(person.id, person);
    if (this.me?.id === person.id) this.me = { ...this.me, ...person };
  }

  /** Here, or in another page of this browser: the other sessions are ended. */
  private secured(secured_at: number): void {
    if (!this.me || secured_at <= this.me.secured_at) return;
    this.me = { ...this.me, secured_at };
    this.sessions.othersEnded();
  }

  /** The account will be erased at this time, or will not after all. */
  erasureChanged(erase_at: number | null): void {
    if (this.me) this.me = { ...this.me, erase_at };
  }

  /** Keep the account after all. */
  async stay(): Promise<void> {
    await api.stay();
    this.erasureChanged(null);
  }

  private privacyChanged(privacy: Privacy): void {
    if (!this.me) return;
    this.me = { ...this.me, privacy };
    this.desk?.privacyChanged();
  }

  // Ways out

  async logOut(): Promise<void> {
    await this.logOutAtTheServer();
    this.tell({ type: 'signed-out' });
    await this.forget();
  }

  /** Without the network the session would live on at the server: it is ended at the next start. */
  private async logOutAtTheServer(): Promise<void> {
    localStorage.setItem(LOG_OUT_DUE, 'yes');
    try {
      await api.logout();
    } catch (thrown) {
      if (Problem.from(thrown).status !== 401) return;
    }
    localStorage.removeItem(LOG_OUT_DUE);
  }

  /** What the server has not heard of yet. Before a new session, whose cookie would replace the old one. */
  private async endWhatIsDue(): Promise<void> {
    if (this.orphaned || localStorage.getItem(LOG_OUT_DUE)) await this.logOutAtTheServer();
  }

  /** How many messages a log-out would destroy. */
  async unsent(): Promise<number> {
    return (await this.storage.queued().catch(() => [])).length;
  }

  /** Nothing of the account stays in this browser. */
  private async forget(): Promise<void> {
    this.leave();
    // The log-in page says that it is done: who sees it may close the browser, or hand it over.
    this.phase = 'starting';
    forgetHabits();
    forgetNotices();
    forgetLogIns();
    await Promise.allSettled([this.storage.deleteEverything(), vault.forget()]);
    // It was wanted, whatever else was heard of it meanwhile.
    this.notice = null;
    this.phase = 'signed-out';
  }

  /** The session ended elsewhere. What was written and not sent stays, sealed, for the next log-in. */
  private async over(): Promise<void> {
    if (this.phase === 'signed-out') return;
    const { session } = this;
    this.leave();
    this.notice = 'signed_out';
    this.phase = 'signed-out';
    // Another tab may have begun the next one meanwhile.
    const kept = await this.storage.reloadSecret().catch(() => undefined);
    if (session === null || kept?.session === session)
      await this.storage.dropReloadSecret().catch(() => undefined);
    await vault.forget().catch(() => undefined);
  }

  private leave(): void {
    this.desk?.stop();
    this.desk = null;
    this.session = null;
    this.me = null;
    this.connection = 'online';
    this.profiles.clear();
  }

  private tell(word: Word): void {
    this.tabs.postMessage(word);
  }

  private heard(word: Word): void {
    if (isOfDesk(word)) this.desk?.heard(word);
    // A sign-up or recovery under way has keys and a code that exist nowhere else.
    else if (this.begun) this.signedInElsewhere = word.type === 'signed-in';
    else if (word.type === 'signed-out') void this.forget();
    else if (this.phase !== 'starting' && this.session !== word.session) void this.follow();
  }

  /** Another tab has let somebody in: the cookie of all tabs is theirs now. */
  private follow(): Promise<void> {
    if (this.phase === 'signed-in') {
      this.leave();
      this.phase = 'starting';
    }
    return this.start();
  }

  // Oneself and others

  async updateProfile(profile: { display_name?: string; status?: string; bio?: string }): Promise<void> {
    this.me = await api.updateProfile(profile);
  }

  async setAvatar(image: Blob): Promise<void> {
    this.me = await api.setAvatar(image);
  }

  async removeAvatar(): Promise<void> {
    this.me = await api.removeAvatar();
  }

  async changePrivacy(change: Partial<Privacy>): Promise<void> {
    this.privacyChanged(await api.changePrivacy(change));
  }

  /** It may have been changed elsewhere while nothing was heard here. */
  async refreshPrivacy(): Promise<void> {
    const before = this.me?.privacy;
    const privacy = await api.privacy();
    // Changed meanwhile: the answer may be from before that.
    if (this.me?.privacy === before) this.privacyChanged(privacy);
  }

  async openConversation(account: string): Promise<string> {
    return (await this.conversations.open(account)).id;
  }

  /** Or unblock. Who it is about is not told. */
  async block(account: string, blocked: boolean): Promise<void> {
    await (blocked ? api.block(account) : api.unblock(account));
    this.desk?.conversations.blockChanged(account, blocked);
  }

  hasBlocked(account: string): boolean {
    return this.desk?.conversations.hasBlocked(account) ?? false;
  }

  /** As changed since this session was opened here. */
  changedProfile(account: string): Person | undefined {
    return this.profiles.get(account);
  }

  /** Whom one wrote with lately, to begin a search with. */
  get recentPeople(): Person[] {
    return this.desk?.conversations.list.slice(0, 8).map(({ peer }) => peer) ?? [];
  }

  /** Until it answers or refuses; each failure says that we are connecting. */
  private async patiently<T>(ask: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await ask();
        this.connection = 'online';
        return answer;
      } catch (thrown) {
        const problem = Problem.from(thrown);
        const answered = problem.status > 0 && (!passing(problem) || problem.status === 401);
        if (answered || (problem.status === 0 && problem.code !== 'offline')) throw problem;
        this.connection = navigator.onLine ? 'connecting' : 'offline';
        await nextChance(backOff(attempt));
      }
    }
  }
}

const account = ({ me, session, share, vault, key_bundle }: SignedIn) => ({
  account: me.id,
  handle: me.handle,
  session,
  share,
  vault,
  key_bundle,
});

type Locked = ReturnType<typeof account> & Pick<SignedIn, 'slot'>;

/** After the delay, or when the browser says that the network is back. */
function nextChance(delay: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, delay);
    addEventListener('online', done);
  });
}

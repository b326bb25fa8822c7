import { type Locator, type Page, expect } from '@playwright/test';
import { type Texts, en } from '../../web/src/i18n/en.ts';

let count = 0;

/** What can be done with a message, by the texts of its menu. */
type Action =
  'reply' | 'edit' | 'copy' | 'forward' | 'save' | 'unsave' | 'link' | 'select' | 'versions' | 'delete';

/** What people do, in the words of the interface. */
export class Person {
  readonly handle: string;
  readonly password = `correct horse ${Math.random().toString(36).slice(2)}`;
  recoveryCode = '';

  constructor(
    readonly displayName: string,
    readonly page: Page,
    readonly t: Texts = en,
  ) {
    const plain = displayName
      .normalize('NFKD')
      .replace(/[^a-z]/gi, '')
      .toLowerCase();
    this.handle = `${plain.slice(0, 12)}.${process.pid.toString(36)}${(count++).toString(36)}`;
  }

  /** With the set-up code where this is the first account of a server that asks for one. */
  async signUp({ setupCode }: { setupCode?: string } = {}): Promise<void> {
    await this.page.goto('/sign-up');
    if (setupCode) await this.page.getByLabel(this.t.signUp.setupCode).fill(setupCode);
    await this.fillSignUp();
    this.recoveryCode = await this.readRecoveryCode();
    await this.confirmRecoveryCode();
    await expect(this.page.getByRole('heading', { name: this.t.conversations.emptyTitle })).toBeVisible();
  }

  async fillSignUp(): Promise<void> {
    await this.page.getByLabel(this.t.signUp.displayName).fill(this.displayName);
    await this.page.getByLabel(this.t.signUp.handle, { exact: true }).fill(this.handle);
    const password = this.page.getByLabel(this.t.signUp.password, { exact: true });
    await password.fill(this.password);
    // What is said of it as it comes moves the button below it.
    await password.press('Enter');
  }

  async readRecoveryCode(): Promise<string> {
    const groups = this.page.getByRole('list', { name: this.t.recovery.code }).getByRole('listitem');
    await expect(groups).toHaveCount(7);
    return (await groups.allInnerTexts()).join('-');
  }

  /** Types the group that is asked for, as the person kept it. */
  async confirmRecoveryCode(confirm = this.t.recovery.confirm): Promise<void> {
    await this.page.getByRole('button', { name: this.t.recovery.kept }).click();
    const groups = this.recoveryCode.split('-');
    for (const [index, group] of groups.entries()) {
      const field = this.page.getByLabel(this.t.recovery.group(index + 1), { exact: true });
      if (await field.isVisible()) await field.fill(group);
    }
    await this.page.getByRole('button', { name: confirm }).click();
  }

  async logIn(password = this.password): Promise<void> {
    await this.page.getByLabel(this.t.signUp.handle, { exact: true }).fill(this.handle);
    await this.page.getByLabel(this.t.signUp.password, { exact: true }).fill(password);
    await this.page.getByRole('button', { name: this.t.logIn.submit, exact: true }).click();
  }

  /** The same person at another browser, who knows nothing but handle and password. */
  async logInOn(page: Page): Promise<Person> {
    const there = this.at(page);
    await page.goto('/');
    await there.logIn();
    await expect(page.getByRole('button', { name: this.t.search.open }).first()).toBeVisible();
    return there;
  }

  at(page: Page): Person {
    return Object.assign(Object.create(Person.prototype) as Person, this, { page });
  }

  /** Find somebody with Ctrl+K and open the conversation with them. */
  async find(other: Person): Promise<void> {
    await this.page.keyboard.press('Control+K');
    await this.page.getByRole('combobox').fill(other.handle);
    await this.page.getByRole('option', { name: new RegExp(other.handle) }).click();
    await expect(this.composer(other)).toBeVisible();
  }

  /** Open a conversation from the list. */
  async open(other: Person): Promise<void> {
    await this.row(other).click();
    await expect(this.composer(other)).toBeVisible();
  }

  async write(other: Person, text: string): Promise<void> {
    await this.composer(other).fill(text);
    await this.composer(other).press('Enter');
  }

  composer(other: Person): Locator {
    return this.page.getByRole('textbox', { name: this.t.composer.label(other.displayName) });
  }

  log(other: Person): Locator {
    return this.page.getByRole('log', { name: this.t.thread.log(other.displayName) });
  }

  /** Who one writes with, and what is to be seen of them at this moment. */
  header(other: Person): Locator {
    const name = this.page.getByRole('heading', { name: other.displayName });
    return this.page.locator('header', { has: name });
  }

  row(other: Person): Locator {
    return this.page.getByRole('navigation').getByRole('link', { name: new RegExp(other.displayName) });
  }

  bubble(other: Person, text: string): Locator {
    return this.log(other).getByText(text, { exact: true });
  }

  /** Returns when one's own message with these words is stored, as its tick says. */
  async stored(other: Person, text: string): Promise<void> {
    const { sent, delivered, read } = this.t.thread.ticks;
    const message = this.log(other).getByRole('article').filter({ hasText: text }).last();
    await expect(message.getByText(new RegExp(`^(${sent}|${delivered}|${read})$`))).toHaveCount(1);
  }

  /** What stands under the latest of one's own messages. */
  tick(other: Person, tick: keyof Texts['thread']['ticks']): Locator {
    return this.log(other).getByText(this.t.thread.ticks[tick], { exact: true }).last();
  }

  /** The menu of a message, by the mouse. */
  async menuOf(other: Person, text: string): Promise<Locator> {
    const row = this.log(other).getByRole('article').filter({ hasText: text });
    await row.hover();
    // While it scrolls, the list takes no clicks.
    await expect(row).not.toHaveCSS('pointer-events', 'none');
    await row.getByRole('button', { name: this.t.message.actions }).click();
    return this.page.getByRole('menu', { name: this.t.message.actions });
  }

  /** One of the actions of a message, from its menu. */
  async act(other: Person, text: string, action: Action): Promise<void> {
    const menu = await this.menuOf(other, text);
    await menu.getByRole('menuitem', { name: this.t.message[action], exact: true }).click();
  }

  /** Actions of a conversation one after the other, from its row. */
  async actOnRow(other: Person, ...actions: string[]): Promise<void> {
    await this.row(other).hover();
    await this.page.getByRole('button', { name: this.t.list.actions(other.displayName) }).click();
    for (const action of actions)
      await this.page.getByRole('menuitem', { name: action, exact: true }).click();
  }
}

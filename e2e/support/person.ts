import { type Locator, type Page, expect } from '@playwright/test';
import { en } from '../../web/src/i18n/en.ts';

let count = 0;

/** What people do, in the words of the English interface. */
export class Person {
  readonly handle: string;
  readonly password = `correct horse ${Math.random().toString(36).slice(2)}`;
  recoveryCode = '';

  constructor(
    readonly displayName: string,
    readonly page: Page,
  ) {
    const plain = displayName
      .normalize('NFKD')
      .replace(/[^a-z]/gi, '')
      .toLowerCase();
    this.handle = `${plain.slice(0, 12)}.${process.pid.toString(36)}${(count++).toString(36)}`;
  }

  async signUp(): Promise<void> {
    await this.page.goto('/sign-up');
    await this.fillSignUp();
    this.recoveryCode = await this.readRecoveryCode();
    await this.confirmRecoveryCode();
    await expect(this.page.getByRole('heading', { name: en.conversations.emptyTitle })).toBeVisible();
  }

  async fillSignUp(): Promise<void> {
    await this.page.getByLabel(en.signUp.displayName).fill(this.displayName);
    await this.page.getByLabel(en.signUp.handle, { exact: true }).fill(this.handle);
    await this.page.getByLabel(en.signUp.password, { exact: true }).fill(this.password);
    await this.page.getByRole('button', { name: en.signUp.submit }).click();
  }

  async readRecoveryCode(): Promise<string> {
    const groups = this.page.getByRole('listitem').filter({ hasText: /^[0-9A-Z]{4}$/ });
    await expect(groups).toHaveCount(7);
    return (await groups.allInnerTexts()).join('-');
  }

  async confirmRecoveryCode(): Promise<void> {
    await this.page.getByRole('button', { name: en.recovery.kept }).click();
    const field = this.page.getByRole('textbox');
    const label = (await this.page.getByText(/^Group \d of your code$/).innerText()).match(/\d/);
    await field.fill(this.recoveryCode.split('-')[Number(label?.[0]) - 1] ?? '');
    await this.page.getByRole('button', { name: en.recovery.confirm }).click();
  }

  /** Log in as this person in another browser. */
  async logInOn(page: Page): Promise<Person> {
    const there = Object.assign(Object.create(Person.prototype) as Person, this, { page });
    await page.goto('/');
    await page.getByLabel(en.signUp.handle, { exact: true }).fill(this.handle);
    await page.getByLabel(en.signUp.password, { exact: true }).fill(this.password);
    await page.getByRole('button', { name: en.logIn.submit }).click();
    await expect(page.getByRole('button', { name: en.search.open })).toBeVisible();
    return there;
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
    return this.page.getByRole('textbox', { name: en.composer.label(other.displayName) });
  }

  log(other: Person): Locator {
    return this.page.getByRole('log', { name: en.thread.log(other.displayName) });
  }

  row(other: Person): Locator {
    return this.page.getByRole('navigation').getByRole('link', { name: new RegExp(other.displayName) });
  }

  /** Everything said in the open conversation, as it stands on the screen. */
  bubble(other: Person, text: string): Locator {
    return this.log(other).getByText(text, { exact: true });
  }
}

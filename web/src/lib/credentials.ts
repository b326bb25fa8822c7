/** What lets one in, and how one who is signed in replaces it: the password, the recovery code, the other sessions. */
import type { NewRecoveryCode } from '../generated/wasm/wasm.js';
import { api } from './api/client';
import type { BackupCodes, Leaving, Me, NewAddress, OwnAddress, SecondFactor } from './api/types';
import { clock } from './clock';
import { Problem } from './problem';
import { vault } from './vault';

export class Credentials {
  constructor(
    private readonly handle: () => string,
    private readonly changed: (me: Me) => void,
    private readonly changedSecondFactor: (factor: SecondFactor) => void,
  ) {}

  /** All other sessions end. */
  async changePassword(present: string, next: string): Promise<void> {
    const registration = await vault.startRegistration(next);
    const { proof, response } = await this.prove(present, registration);
    if (!response) throw new Problem('bad_opaque');
    const password = await vault.replacePassword(registration, response, clock.now());
    this.changed(await api.credentialsFinish({ ...proof, password }));
  }

  /** Only proves it: throws `wrong_credentials`. */
  async checkPassword(password: string): Promise<void> {
    const { proof } = await this.prove(password);
    await api.credentialsFinish(proof);
  }

  /** A recovery code that does not count yet. */
  prepareCode(): Promise<NewRecoveryCode> {
    return vault.replaceRecoveryCode(clock.now());
  }

  /** Twice is once. */
  async replaceCode({ verifier, slot }: NewRecoveryCode, password: string): Promise<void> {
    const { proof } = await this.prove(password);
    this.changed(await api.credentialsFinish({ ...proof, recovery: { verifier, slot } }));
  }

  /** Throws `bad_recovery_code` or `wrong_recovery_code`. */
  async checkCode(code: string): Promise<void> {
    const proof = await vault.recoveryProof(code, this.handle());
    await api.checkRecoveryCode({ proof });
  }

  /** With a code that an app has made of the secret. Returns the backup codes; throws `wrong_second_factor`. */
  async turnOnSecondFactor(password: string, secret: string, code: string): Promise<string[]> {
    const { proof } = await this.prove(password);
    return this.backupCodes(await api.turnOnSecondFactor({ ...proof, secret, code }));
  }

  async turnOffSecondFactor(password: string): Promise<void> {
    const { proof } = await this.prove(password);
    this.changedSecondFactor(await api.turnOffSecondFactor(proof));
  }

  /** Those from before are good for nothing. */
  async replaceBackupCodes(password: string): Promise<string[]> {
    const { proof } = await this.prove(password);
    return this.backupCodes(await api.replaceBackupCodes(proof));
  }

  /** What a change of credentials is sent with. */
  async proveAgain(password: string): Promise<{ login: string; finalization: string }> {
    return (await this.prove(password)).proof;
  }

  /** In seven days. Returns the receipt, which is shown once. */
  async leave(password: string): Promise<Leaving> {
    return api.leave(await this.proveAgain(password));
  }

  /** It counts once its mailbox has confirmed it. Throws `bad_address`. */
  async setAddress(password: string, address: string, language: NewAddress['language']): Promise<OwnAddress> {
    const { proof } = await this.prove(password);
    return api.setAddress({ ...proof, address, language });
  }

  async removeAddress(password: string): Promise<OwnAddress> {
    const { proof } = await this.prove(password);
    return api.removeAddress(proof);
  }

  private backupCodes({ codes, second_factor }: BackupCodes): string[] {
    this.changedSecondFactor(second_factor);
    return codes;
  }

  async endOtherSessions(): Promise<void> {
    this.changed(await api.endOtherSessions());
  }

  private async prove(password: string, registration?: string) {
    const request = await vault.startLogin(password);
    const started = await api.credentialsStart({ request, ...(registration && { registration }) });
    const finalization = await vault.prove(request, this.handle(), started.response);
    return { proof: { login: started.login, finalization }, response: started.registration };
  }
}

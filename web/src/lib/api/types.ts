import type { components } from './schema';

type Schemas = components['schemas'];

/** What travels, in the words of the API; the shapes are generated from the server's own description. */
export type Config = Schemas['PublicConfig'];
export type Person = Schemas['Person'];
export type Me = Schemas['Me'];
export type Privacy = Schemas['Privacy'];
export type Presence = Schemas['Presence'];
export type SignedIn = Schemas['Session'];
export type NewAccount = Schemas['RegisterFinish'];
export type CredentialsFinish = Schemas['CredentialsFinish'];
export type RecoveryFinish = Schemas['RecoveryFinish'];
export type ResetFinish = Schemas['ResetFinish'];
/** One of one's signed-in browsers. */
export type OwnSession = Schemas['OwnSession'];
export type OwnSessions = Schemas['OwnSessions'];
/** What log-ins to one's account ask for beside the password. */
export type SecondFactor = Schemas['SecondFactor'];
export type OwnPasskey = Schemas['OwnPasskey'];
export type OwnPasskeys = Schemas['OwnPasskeys'];
/** What a browser is to have signed by a passkey. */
export type PasskeyWanted = Schemas['PasskeyWanted'];
export type NewSlot = Schemas['NewSlot'];
/** One's account is to be erased. */
export type Leaving = Schemas['ErasureAsked'];
export type BackupCodes = Schemas['BackupCodes'];
export type OwnAddress = Schemas['OwnAddress'];
export type ResetAsked = Schemas['ResetAsked'];
export type ResetByMail = Schemas['ResetByMail'];
export type NewDigest = Schemas['NewDigest'];
export type SignUpByMail = Schemas['SignUpByMail'];
export type NewAddress = Schemas['NewAddress'];
export type Slot = Schemas['Slot'];
export type Vault = Schemas['Vault'];
/** A signed body: key bundles and epoch grants. */
export type Signed = Schemas['SignedBytes'];
export type KeyringEntry = Schemas['KeyringEntry'];
export type EpochSummary = Schemas['Epoch'];
export type Epoch = Schemas['GrantedEpoch'];
export type Marks = Schemas['Progress'];
export type Message = Schemas['Message'];
export type NewMessage = Schemas['NewMessage'];
export type Version = Schemas['Version'];
export type Conversation = Schemas['Conversation'];
/** A message that waits for its time. */
export type Scheduled = Schemas['Scheduled'];
export type NewReport = Schemas['NewReport'];
export type NewOpinion = Schemas['Answer'];
export type Accepted = Schemas['Accepted'];
export type ClientFrame = Schemas['Frame'];
export type ServerFrame = Schemas['Event'];
export type Polled = Schemas['Polled'];
export type ErrorCode = Schemas['Code'];

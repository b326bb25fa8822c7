import { speaking } from '../../../i18n/index.svelte';
import { en } from './en';
import { fr } from './fr';

export const w = speaking({ en, fr });

import { createContext } from 'svelte';
import type { Session } from './session.svelte';

/** The one session of this page, given by App to all its parts. */
export const [getSession, setSession] = createContext<Session>();

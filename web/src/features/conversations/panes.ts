import { MediaQuery } from 'svelte/reactivity';

/** List or thread, one at a time; the styles of the page change at the same width. */
export const onePane = new MediaQuery('max-width: 767.98px');

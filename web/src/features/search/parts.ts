/** What the palette fetches with the first question. */
export { default as FoundMessages } from './FoundMessages.svelte';
export { MessageSearch } from './message-search.svelte';
export { default as Reading } from './Reading.svelte';

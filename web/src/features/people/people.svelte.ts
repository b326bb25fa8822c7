import type { Person } from '../../lib/api/types';

/** What stands over the page: the palette that finds people and messages, the search in one conversation, a profile. */
class People {
  searching = $state(false);
  /** The conversation whose messages are searched. */
  within: string | null = $state(null);
  shown: Person | null = $state.raw(null);

  close(): void {
    this.searching = false;
    this.within = null;
    this.shown = null;
  }
}

export const people = new People();

export function openPalette(): void {
  people.close();
  people.searching = true;
}

export function openWithin(conversation: string): void {
  people.close();
  people.within = conversation;
}

export function openPerson(person: Person): void {
  people.close();
  people.shown = person;
}

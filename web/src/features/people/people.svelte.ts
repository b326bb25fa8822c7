import type { Person } from '../../lib/api/types';

/** What stands over the page: the palette that finds a person, or somebody's profile. */
class People {
  searching = $state(false);
  shown: Person | null = $state.raw(null);

  close(): void {
    this.searching = false;
    this.shown = null;
  }
}

export const people = new People();

export function openPalette(): void {
  people.shown = null;
  people.searching = true;
}

export function openPerson(person: Person): void {
  people.searching = false;
  people.shown = person;
}

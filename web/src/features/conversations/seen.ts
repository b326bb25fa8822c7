/** So much of a message has to be in sight before it counts as seen. */
const IN_SIGHT = 20;

/** The `seq` of the lowest message in sight. */
export function lowestSeen(log: HTMLElement): number | null {
  const { bottom } = log.getBoundingClientRect();
  // The list draws some more below the edge, and what has no measured height yet is drawn unseen.
  const last = [...log.querySelectorAll<HTMLElement>('[data-seq]')].findLast(
    (row) =>
      row.getBoundingClientRect().top + IN_SIGHT <= bottom &&
      row.checkVisibility({ visibilityProperty: true }),
  );
  return last ? Number(last.dataset['seq']) : null;
}

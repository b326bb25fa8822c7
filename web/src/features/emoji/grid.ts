/** Rows and columns of the picker, and where a key leads in them. */
export interface Place {
  row: number;
  column: number;
}

export interface Row<Cell> {
  /** Of its section. */
  title: string;
  /** Which of its section it is. */
  first: number;
  cells: Cell[];
}

/** Each section begins a row of its own. */
export function rowsOf<Cell>(sections: { title: string; cells: Cell[] }[], columns: number): Row<Cell>[] {
  return sections.flatMap(({ title, cells }) =>
    Array.from({ length: Math.ceil(cells.length / columns) }, (_, first) => ({
      title,
      first,
      cells: cells.slice(first * columns, (first + 1) * columns),
    })),
  );
}

/** The nearest place there is; `lengths` are those of the rows. */
export function within(lengths: number[], { row, column }: Place): Place {
  const there = Math.max(0, Math.min(row, lengths.length - 1));
  return { row: there, column: Math.max(0, Math.min(column, (lengths[there] ?? 1) - 1)) };
}

/** So many rows at once. */
const PAGE = 5;

/** Null for a key that leads nowhere. */
export function moved(lengths: number[], at: Place, key: string, ctrl: boolean): Place | 'above' | null {
  const to = (row: number, column: number) => within(lengths, { row, column });
  const { row, column } = at;
  const last = lengths.length - 1;
  switch (key) {
    case 'ArrowRight':
      if (column + 1 < (lengths[row] ?? 0)) return to(row, column + 1);
      return row < last ? to(row + 1, 0) : at;
    case 'ArrowLeft':
      if (column > 0) return to(row, column - 1);
      return row > 0 ? to(row - 1, Infinity) : at;
    case 'ArrowDown':
      return to(row + 1, column);
    case 'ArrowUp':
      return row === 0 ? 'above' : to(row - 1, column);
    case 'PageDown':
      return to(row + PAGE, column);
    case 'PageUp':
      return to(row - PAGE, column);
    case 'Home':
      return to(ctrl ? 0 : row, 0);
    case 'End':
      return to(ctrl ? last : row, Infinity);
    default:
      return null;
  }
}

/** What the server does that it must not: loaded when it does. */
export const en = {
  notTheirs: (name: string) =>
    `What the server shows as ${name}’s keys is not theirs. Nothing is sent. Tell whoever runs this server.`,
  contradiction:
    'The server takes back what it said before: it shows a deleted message again, undoes an edit, or puts another message in the place of one. What this browser knew stands. Tell whoever runs the server.',
  went_back:
    'The server shows an earlier state of this conversation than before; later messages may be missing. If it was not restored from a backup, tell whoever runs it.',
};

export type WarningTexts = typeof en;

/** The texts of leaving for good, which are fetched with it. This file is the type. */
export const en = {
  section: {
    hint: 'Your profile, your keys and all that you ever wrote go from this server, also from the conversations of the others. You have seven days to change your mind.',
    leave: 'Delete my account',
  },
  ask: {
    lead: 'In seven days, and not before, this goes for good:',
    goes: [
      'your profile, your picture, your sessions and your keys;',
      'everything you have written, also where others have it before them;',
      'reports about you, and what others were told about you.',
    ],
    stays:
      'What others wrote to you stays theirs, beside “Deleted account”. Nobody can take your handle afterwards. Backups that the administrators keep grow old as they do.',
    data: 'If you want to keep anything, download “My data” first.',
    does: 'Delete in seven days',
  },
  asked: {
    title: 'Your account will be deleted',
    lead: (date: string) =>
      `On ${date}. Until then everything goes on as before, and you can keep your account with one press.`,
    receipt:
      'This is your receipt. With it you can see later that nothing is left. It is shown only now, and opens nothing.',
    done: 'Done',
    fileName: 'entre-nous-receipt',
    fileText: (name: string, handle: string, link: string) =>
      `Receipt for the deletion of @${handle} at ${name}\n\n${link}\n\nWhoever opens this link sees when the account was deleted, and how much of it.\n`,
  },
  receipt: {
    lead: 'What became of a deleted account.',
    looking: 'Looking…',
    unknown: 'There is no such receipt. Perhaps the account was kept after all, or the link is not whole.',
    waiting: (asked: string, date: string) =>
      `The deletion was asked for on ${asked}. The account will be deleted on ${date}.`,
    working: 'The account is deleted. Its messages are being erased at this moment.',
    done: (date: string) => `Everything was erased by ${date}.`,
    counts: (messages: number, conversations: number) =>
      `${messages === 1 ? '1 message' : `${messages} messages`} in ${conversations === 1 ? '1 conversation' : `${conversations} conversations`}.`,
    left: 'What is left: an account number without a name, that its conversations had two people and how many messages, in the administrators’ journal what they did about the account, and that it reported somebody, if it did, without its words.',
  },
};

export type LeavingTexts = typeof en;

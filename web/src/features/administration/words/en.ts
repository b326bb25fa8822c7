/** The texts of the administrators' pages, which are fetched with them. This file is the type. */
export const en = {
  page: {
    title: 'Administration',
    sections: 'Sections',
    indicators: 'Indicators',
    reports: 'Reports',
    journal: 'Journal',
    more: 'Show more',
    nothing: 'Nothing yet.',
    loading: 'Loading…',
    goneAccount: 'an account that is gone',
    commandLine: 'The command line',
  },
  indicators: {
    title: 'Success indicators',
    lead: (accounts: string) => `Last 30 days · ${accounts} accounts`,
    print: 'Print',
    export: (title: string) => `${title} as a table (CSV)`,
    definition: 'How it is counted',
    reached: 'Reached',
    missed: (points: number) => `${points} ${points === 1 ? 'point' : 'points'} below the target`,
    nothing: 'Nothing measured yet',
    use: {
      title: 'Use',
      card: 'Active this month',
      under: (active: string, registered: string, target: string) =>
        `${active} of ${registered} · target ${target}`,
      advice:
        'What helps: tell people what it is for and who is there, and write to them here rather than by e-mail.',
      course: (first: string, last: string, target: string) =>
        `Share of active accounts by week: from ${first} to ${last}. The target is ${target}.`,
      weeks: 'Week by week',
      head: [
        'Week',
        'Active in 30 days',
        'Accounts',
        'Active in the week',
        'of them new',
        'of them returning',
      ],
      definition:
        'An account is active on a day on which its owner, signed in, sent a message or read one; being reached by one is not enough. The figure is the share of the accounts that exist now which were active on at least one of the last 30 days, today among them. Days are those of UTC. Week by week it is the same at the end of each week; “new” are the active accounts that were made in that week. Only the fact that somebody was active on a day is kept, for 400 days.',
    },
    speed: {
      title: 'Speed',
      card: 'Mean time to arrive',
      under: (p95: string, target: string) => `p95 ${p95} · target ${target}`,
      missed: (seconds: string) => `${seconds} above the target`,
      advice:
        'What helps: look at the load and the disk of the server, at the network in front of it, and whether WebSockets get through.',
      course: (span: string, least: string, most: string, target: string) =>
        `Mean time to arrive, ${span}: between ${least} and ${most}. The target is ${target}.`,
      days: '30 days',
      hours: '24 hours',
      view: 'Course',
      legend: (target: string) => `Mean; the dashed line is the target, ${target}`,
      histogram: 'How long messages took',
      upTo: (time: string) => `up to ${time}`,
      above: (time: string) => `above ${time}`,
      bucketHead: ['Time', 'Messages'],
      table: 'As a table',
      head: ['When', 'Messages', 'Mean', 'p95'],
      definition:
        'From the press of “send” until the message is opened in the recipient’s browser, for messages whose recipient was connected from the moment the server had them until then. It is the sum of two measured spans, each with the way back in it: from the press until the sender’s browser had the server’s word, and from there until the server had the recipient’s receipt, which is sent after the message was opened and collected for up to 0.15 s. The real time is therefore shorter. Whoever catches up later, messages sent at a set time, and those that nobody confirms within ten minutes are left out. Only counts by hour are kept, never anything of a person or a pair.',
    },
    satisfaction: {
      title: 'Satisfaction',
      card: 'Satisfied',
      under: (answers: number, target: string) =>
        `${answers} ${answers === 1 ? 'answer' : 'answers'} · target ${target}`,
      tooFew: (enough: number) => `Shown from ${enough} answers on`,
      advice: 'What helps: read the comments, mend what is named most often, and tell people that you did.',
      course: (first: string, last: string, target: string) =>
        `Share of the satisfied by quarter: from ${first} to ${last}. The target is ${target}.`,
      answered: (answered: string, asked: string, share: string) =>
        `${answered} of the ${asked} people who were asked in these 13 weeks answered: ${share}.`,
      histogram: 'What people answered',
      scores: ['Not at all', 'Rather not', 'Neither', 'Rather', 'Very'],
      scoreHead: ['Satisfied?', 'Answers'],
      comments: 'What people wrote, in no order',
      exportComments: 'Comments as a table (CSV)',
      periods: 'Quarter by quarter',
      head: ['13 weeks', 'Satisfied', 'Answers', 'of those asked'],
      definition:
        'The share of the answers “rather” and “very” satisfied among the answers of the last 13 weeks, this one among them. Periods with fewer than five answers are not shown. An answer is kept without its author, with the week only; that somebody was asked, and answered, is kept apart from it.',
    },
    survey: {
      title: 'The survey',
      enabled: 'Ask people how satisfied they are',
      enabledHint:
        'In their list of conversations, with five faces. “Not now” is asked again after a week, twice at most.',
      after: 'First, days after the sign-up',
      every: 'Then every … months',
      question: { en: 'The question in English', fr: 'The question in French' },
      questionHint: 'Empty: the messenger’s own words.',
      save: 'Save',
      saved: 'Saved.',
      everyone: 'Ask everyone now…',
      everyoneSure:
        'Everybody who was not asked in the last 30 days is asked when they next open the messenger.',
      everyoneYes: 'Ask everyone',
      everyoneAsked: 'Everyone will be asked.',
      everyoneAt: (when: string) => `Everyone was last asked: ${when}`,
    },
  },
  reports: {
    lead: 'What people told you about others. That the reported person sent these messages is checked; what they say is the word of whoever reports.',
    by: (name: string, handle: string) => `Reported by ${name} (${handle})`,
    disclosed: 'Messages that the reporter discloses',
  },
  journal: {
    lead: 'Everything that administrators did. Entries are added and never changed; each person can read those about their own account in their settings.',
    acts: {
      settings_changed: 'changed the settings',
      made_administrator: 'made an administrator of',
      made_person: 'took the administrator’s role from',
      suspended: 'suspended',
      resumed: 'let back in',
      sessions_ended: 'ended the sessions of',
      other: 'did something that this version does not know',
    },
  },
};

export type AdministrationTexts = typeof en;

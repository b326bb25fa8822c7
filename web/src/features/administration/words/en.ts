/** The texts of the administrators' pages, which are fetched with them. This file is the type. */
export const en = {
  page: {
    title: 'Administration',
    sections: 'Sections',
    reports: 'Reports',
    journal: 'Journal',
    more: 'Show more',
    nothing: 'Nothing yet.',
    loading: 'Loading…',
    goneAccount: 'an account that is gone',
    commandLine: 'The command line',
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
      reset_link_made: 'made a link to begin anew for',
      other: 'did something that this version does not know',
    },
  },
};

export type AdministrationTexts = typeof en;

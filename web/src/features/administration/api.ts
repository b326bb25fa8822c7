/** What only administrators ask of the server. */
import { data, picture, server } from '../../lib/api/client';
import type { components } from '../../lib/api/schema';

export type AuditEntry = components['schemas']['AuditEntry'];
export type Report = components['schemas']['Report'];

export type Account = components['schemas']['Account'];
export type Which = 'all' | 'administrators' | 'suspended' | 'leaving' | 'absent';
export type Invitation = components['schemas']['Invitation'];
export type NewInvitation = components['schemas']['NewInvitation'];
export type Organisation = components['schemas']['Organisation'];

export type Monitoring = components['schemas']['Monitoring'];
export type Range = 'hour' | 'day' | 'month';
export type LogLine = components['schemas']['LogLine'];

const of = (account: string) => ({ params: { path: { account } } });

export type Indicators = components['schemas']['Indicators'];
export type Survey = components['schemas']['Survey'];
export type SurveySettings = components['schemas']['SurveySettings'];

export const administration = {
  indicators: () => data(server.GET('/administration/indicators')),
  survey: () => data(server.GET('/administration/survey')),
  changeSurvey: (body: SurveySettings) => data(server.PUT('/administration/survey', { body })),
  askEveryone: () => data(server.POST('/administration/survey/everyone')),
  people: (query: { q?: string; which?: Which; before?: string }) =>
    data(server.GET('/administration/people', { params: { query } })),
  changeRole: (account: string, role: Account['role']) =>
    data(server.PUT('/administration/people/{account}/role', { ...of(account), body: { role } })),
  suspend: (account: string) => data(server.PUT('/administration/people/{account}/suspension', of(account))),
  resume: (account: string) =>
    data(server.DELETE('/administration/people/{account}/suspension', of(account))),
  erase: (account: string) => data(server.PUT('/administration/people/{account}/erasure', of(account))),
  keep: (account: string) => data(server.DELETE('/administration/people/{account}/erasure', of(account))),
  resetLink: (account: string) => data(server.POST('/administration/people/{account}/reset', of(account))),
  endSessions: (account: string) =>
    data(server.DELETE('/administration/people/{account}/sessions', of(account))),
  monitoring: (range: Range) =>
    data(server.GET('/administration/monitoring', { params: { query: { range } } })),
  log: (query: { after: number; level: string; q: string }) =>
    data(server.GET('/administration/log', { params: { query } })),
  organisation: () => data(server.GET('/administration/organisation')),
  changeOrganisation: (body: Organisation) => data(server.PUT('/administration/organisation', { body })),
  setLogo: (image: Blob) => data(server.PUT('/administration/organisation/logo', picture(image))),
  invitations: (before?: string) =>
    data(server.GET('/administration/invitations', { params: { query: { before } } })),
  invite: (body: { notes: string[]; uses: number; days: number }) =>
    data(server.POST('/administration/invitations', { body })),
  revoke: (invitation: string) =>
    data(server.DELETE('/administration/invitations/{invitation}', { params: { path: { invitation } } })),
  audit: (before?: string) => data(server.GET('/administration/audit', { params: { query: { before } } })),
  /** To one's own account: for everybody. */
  ownAudit: (before?: string) => data(server.GET('/audit', { params: { query: { before } } })),
  reports: (query: { closed: boolean; before?: string }) =>
    data(server.GET('/reports', { params: { query } })),
  closeReport: (report: string, closed: boolean) =>
    data(server.PUT('/reports/{report}', { params: { path: { report } }, body: { closed } })),
};

/** What only administrators ask of the server. */
import { data, server } from '../../lib/api/client';
import type { components } from '../../lib/api/schema';

export type AuditEntry = components['schemas']['AuditEntry'];
export type Report = components['schemas']['Report'];

export type Indicators = components['schemas']['Indicators'];
export type Survey = components['schemas']['Survey'];
export type SurveySettings = components['schemas']['SurveySettings'];

export const administration = {
  indicators: () => data(server.GET('/administration/indicators')),
  survey: () => data(server.GET('/administration/survey')),
  changeSurvey: (body: SurveySettings) => data(server.PUT('/administration/survey', { body })),
  askEveryone: () => data(server.POST('/administration/survey/everyone')),
  audit: (before?: string) => data(server.GET('/administration/audit', { params: { query: { before } } })),
  reports: (before?: string) => data(server.GET('/reports', { params: { query: { before } } })),
};

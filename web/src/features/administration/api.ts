/** What only administrators ask of the server. */
import { data, server } from '../../lib/api/client';
import type { components } from '../../lib/api/schema';

export type AuditEntry = components['schemas']['AuditEntry'];
export type Report = components['schemas']['Report'];

export const administration = {
  audit: (before?: string) => data(server.GET('/administration/audit', { params: { query: { before } } })),
  reports: (before?: string) => data(server.GET('/reports', { params: { query: { before } } })),
};

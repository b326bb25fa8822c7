import { Problem } from '../lib/problem';
import { t } from './index.svelte';

function waitText(seconds: number): string {
  return seconds < 60 ? t.wait.seconds(Math.ceil(seconds)) : t.wait.minutes(Math.ceil(seconds / 60));
}

/** What went wrong, in the person's words, and what to do next. */
export function problemText(thrown: unknown): string {
  const problem = Problem.from(thrown);
  const texts: Partial<Record<string, string>> = t.errors;
  const text = texts[problem.code] ?? t.errors.internal;
  return problem.retryAfter === undefined ? text : `${text} ${waitText(problem.retryAfter)}`;
}
